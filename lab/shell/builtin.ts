/** What a command carried out by the shell itself is: it writes to the shell's own descriptors. */
import type { Shell } from './shell.ts';

export type Builtin = (shell: Shell, args: readonly string[]) => Promise<number>;
