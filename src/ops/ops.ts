/** Everything that one can do to Proxmox VE, by family. */
import type { Executor } from '../exec/executor.ts';
import { createFiles, type Files, type FilesOptions } from './files.ts';
import { createInventory, type Inventory } from './inventory.ts';
import { createPower, type Power } from './power.ts';
import { createRun, type Run } from './run.ts';

export interface Ops {
  readonly inventory: Inventory;
  readonly run: Run;
  readonly power: Power;
  readonly files: Files;
}

export function createOps(input: {
  executor: Executor;
  driverName: 'auto' | 'lxc-attach' | 'pct';
  files: FilesOptions;
}): Ops {
  const inventory = createInventory(input);
  const room = { executor: input.executor, inventory };
  return {
    inventory,
    run: createRun(room),
    power: createPower(room),
    files: createFiles({ ...room, ...input.files }),
  };
}
