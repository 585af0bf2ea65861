/** Every tool, in the order in which clients see them. */
import { agentTools } from './agent.ts';
import { apiTools } from './api.ts';
import { backupTools } from './backups.ts';
import { clusterTools } from './cluster.ts';
import type { Tool } from './define.ts';
import { fileTools } from './files.ts';
import { historyTools } from './history.ts';
import { inventoryTools } from './inventory.ts';
import { poolTools } from './pools.ts';
import { powerTools } from './power.ts';
import { containerProvisioningTools } from './provision-containers.ts';
import { vmProvisioningTools } from './provision-vms.ts';
import { runTools } from './run.ts';
import { snapshotTools } from './snapshots.ts';
import { storageTools } from './storage.ts';
import { taskTools } from './tasks.ts';
import { vmTools } from './vms.ts';

export const catalog: readonly Tool[] = [
  ...inventoryTools,
  ...powerTools,
  ...runTools,
  ...fileTools,
  ...containerProvisioningTools,
  ...clusterTools,
  ...historyTools,
  ...vmTools,
  ...agentTools,
  ...vmProvisioningTools,
  ...snapshotTools,
  ...backupTools,
  ...storageTools,
  ...poolTools,
  ...taskTools,
  ...apiTools,
];
