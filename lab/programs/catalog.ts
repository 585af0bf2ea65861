/** Every program that a container has; the node has more. */
import type { Program } from '../process/process.ts';
import { bash, builtinProgram, dash } from '../shell/program.ts';
import { byteTools } from './bytes.ts';
import { entryTools } from './entries.ts';
import { fileTools } from './files.ts';
import { filters } from './filters.ts';
import { find } from './find.ts';
import { searching } from './grep.ts';
import { listing } from './listing.ts';
import { services } from './services.ts';
import { streams } from './streams.ts';
import { system } from './system.ts';
import { wrappers } from './wrappers.ts';

const fromBuiltins = ['echo', 'printf', 'test', '[', 'true', 'false', 'pwd'];

export const containerPrograms: ReadonlyMap<string, Program> = new Map<string, Program>([
  ...Object.entries(filters),
  ...fromBuiltins.map((name) => [name, builtinProgram(name)] as const),
  ...[byteTools, entryTools, fileTools, listing, searching, services, streams, system, wrappers].flatMap(
    (family) => Object.entries(family),
  ),
  ...Object.entries({ find, bash, sh: dash, dash }),
]);
