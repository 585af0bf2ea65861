/** Every tool, in the order in which clients see them. */
import type { Tool } from './define.ts';
import { fileTools } from './files.ts';
import { inventoryTools } from './inventory.ts';
import { powerTools } from './power.ts';
import { runTools } from './run.ts';

export const catalog: readonly Tool[] = [...inventoryTools, ...powerTools, ...runTools, ...fileTools];
