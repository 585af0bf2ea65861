/** Prompts that people pick: what to look at, in which order, and where to stop and ask. */

export interface PromptArgument {
  readonly name: 'vmid';
  readonly description: string;
}

export interface Prompt {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** All of them must be given. */
  readonly arguments: readonly PromptArgument[];
  /** Of each group, at least one tool must be there for the prompt to make sense. */
  readonly needs: readonly (readonly string[])[];
  readonly task: string;
  /** One that names a tool which is not offered is left out. */
  readonly steps: readonly string[];
}

const vmid: PromptArgument = { name: 'vmid', description: 'Id or name of the guest' };

const seeGuest = [
  'If it is a container, read its state with proxmox_container_status and its configuration with proxmox_container_config.',
  'If it is a virtual machine, read its state with proxmox_vm_status and its configuration with proxmox_vm_config.',
];

export const prompts: readonly Prompt[] = [
  {
    name: 'diagnose_guest',
    title: 'Diagnose a guest',
    description: 'Finds out what is wrong with one container or virtual machine, without changing anything.',
    arguments: [vmid],
    needs: [['proxmox_container_status', 'proxmox_vm_status']],
    task: 'Find out what is wrong with the guest {vmid}. Change nothing.',
    steps: [
      ...seeGuest,
      'See how its load has developed with proxmox_guest_metrics, for the last hour and the last day.',
      'List its latest tasks with proxmox_list_tasks, and read the log of those that failed with proxmox_task_status.',
      'If it is a running container, look inside with proxmox_container_exec_command: df -h, free -m, systemctl --failed, journalctl -p err -n 50.',
      'If it is a running virtual machine, see its system, addresses and file systems with proxmox_vm_agent_info.',
      'See with proxmox_node_status whether its node is short of memory or CPU, and with proxmox_list_storage whether a storage is nearly full.',
      'Say what is wrong, what shows it, and what to do about it, the likeliest first. Say what you could not see. Ask before you change anything.',
    ],
  },
  {
    name: 'capacity_report',
    title: 'Capacity report',
    description: 'Reports how full the cluster is, and what will run out first.',
    arguments: [],
    needs: [['proxmox_cluster_status', 'proxmox_list_nodes'], ['proxmox_list_resources']],
    task: 'Report how full this Proxmox VE cluster is, and what will run out first. Change nothing.',
    steps: [
      'Read the state of the cluster with proxmox_cluster_status.',
      'List the nodes with proxmox_list_nodes: load, memory and root disk of each.',
      'List the storages with proxmox_list_storage: how much of each is used.',
      'Find the guests that use most with proxmox_list_resources, sorted by memory, then by CPU.',
      'See the trend of each node with proxmox_node_metrics over the last week.',
      'Add up what guests may use at most and compare it with what the nodes have: memory above all.',
      'Give one table of nodes and one of storages, the fullest first; then what needs attention, by urgency; then guests that stand idle or are far too large.',
    ],
  },
  {
    name: 'safe_update',
    title: 'Update a guest safely',
    description: 'Updates the packages of one guest with a snapshot to return to.',
    arguments: [vmid],
    needs: [['proxmox_create_snapshot'], ['proxmox_container_exec_command', 'proxmox_vm_exec']],
    task: 'Update the packages of the guest {vmid}, so that one can return to what was before.',
    steps: [
      ...seeGuest,
      'If it does not run, is locked, or its storage is nearly full, stop here and say so.',
      'List its snapshots with proxmox_list_snapshots.',
      'Take a snapshot with proxmox_create_snapshot, named before-update- and the date; go on only when it has succeeded.',
      'If it is a container, note with proxmox_container_exec_command which services have failed already, find its package manager (apt, dnf, apk, pacman, zypper), and update without questions and with a long timeout.',
      'If it is a virtual machine, do the same with proxmox_vm_exec.',
      'Check that the services that ran before run again, and whether a reboot is needed. Ask before you reboot.',
      'If something is broken, show what, and ask whether to return to the snapshot; do not do it unasked.',
      'To return, use proxmox_rollback_snapshot: everything since the snapshot is lost.',
      'Say what was updated, and that the snapshot should go within some days, for it grows.',
    ],
  },
  {
    name: 'review_failed_tasks',
    title: 'Review failed tasks',
    description: 'Explains what failed lately, grouped by cause.',
    arguments: [],
    needs: [['proxmox_list_tasks'], ['proxmox_task_status']],
    task: 'Explain which tasks have failed lately on this Proxmox VE cluster, and why. Change nothing.',
    steps: [
      'List the tasks that failed with proxmox_list_tasks.',
      'Read the end of the log of each with proxmox_task_status; of many alike, some are enough.',
      'See whether backup jobs still do what they should with proxmox_list_backup_jobs.',
      'Group them by cause. For each: how often, which guests and nodes, since when, and how to mend it. Begin with what puts data at risk, such as backups.',
    ],
  },
  {
    name: 'clean_up_snapshots',
    title: 'Clean up snapshots',
    description: 'Finds old snapshots, removes those that one agrees to, and names guests without backups.',
    arguments: [],
    needs: [['proxmox_list_snapshots'], ['proxmox_list_containers', 'proxmox_list_vms']],
    task: 'Find snapshots on this Proxmox VE cluster that nobody needs any more, and guests without a recent backup.',
    steps: [
      'List the containers with proxmox_list_containers.',
      'List the virtual machines with proxmox_list_vms.',
      'List the snapshots of each guest with proxmox_list_snapshots.',
      'List the backups with proxmox_list_backups, and see which guests have none of the last days.',
      'Give one table: guest, snapshot, age, description. Mark those older than 14 days, and those that others build upon.',
      'Ask which of them to remove, and wait for the answer.',
      'Remove only those, one by one, with proxmox_delete_snapshot; it cannot be undone.',
    ],
  },
];

/** Tools that a text names. */
export function toolsIn(text: string): readonly string[] {
  return text.match(/\bproxmox_[a-z_]+/g) ?? [];
}
