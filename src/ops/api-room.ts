/** What every family of the REST API works with. */
import type { Pve } from '../pve/pve.ts';
import type { TaskEnd as End, Tasks, TaskWait as Wait } from '../pve/tasks.ts';
import type { Inventory } from './inventory.ts';

export interface ApiRoom {
  readonly pve: Pve;
  readonly tasks: Tasks;
  readonly inventory: Inventory;
}

/** How tools see tasks. */
export type TaskEnd = End;
export type TaskWait = Wait;
