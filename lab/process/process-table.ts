/** All processes of the lab's machines, the node's and its containers', under one count of pids. */
import { FsError } from '../files/fs-error.ts';
import { releaseFds } from './open-file.ts';
import { createProcess, type Process, type ProcessTable } from './process.ts';

export function createProcessTable({ maxProcesses }: { maxProcesses: number }): ProcessTable {
  const processes = new Map<number, Process>();
  let lastPid = 900;
  const table: ProcessTable = {
    start(birth) {
      if (processes.size >= maxProcesses) {
        releaseFds(birth.fds);
        throw new FsError('EAGAIN', 'fork');
      }
      const process = createProcess(table, table.nextPid(), birth);
      processes.set(process.pid, process);
      void process.exited.then(() => processes.delete(process.pid));
      return process;
    },
    nextPid() {
      lastPid += 1;
      return lastPid;
    },
    visibleFrom: (machine) =>
      [...processes.values()].filter((process) => machine.kind === 'node' || process.machine === machine),
    killAll(machine) {
      for (const process of [...processes.values()])
        if (machine === undefined || process.machine === machine) process.kill('KILL');
    },
  };
  return table;
}
