/** The groups in which tools are switched on and off. */
export const toolsets = [
  'containers',
  'files',
  'host',
  'cluster',
  'vms',
  'snapshots',
  'backups',
  'storage',
  'pools',
  'tasks',
  'api',
] as const;
export type Toolset = (typeof toolsets)[number];
