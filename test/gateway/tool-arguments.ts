/** Arguments with which each tool succeeds on a lab that is made for it, in the order of the catalogue. */
import type { LabGuestSpec } from '../../lab/lab.ts';

/** The usual guests, and some that may go. */
export const expendable: readonly LabGuestSpec[] = [
  { vmid: 100, name: 'web1', status: 'running', tags: 'prod;web' },
  { vmid: 300, name: 'vm1', kind: 'vm', status: 'running' },
  { vmid: 900, name: 'gone1' },
  { vmid: 901, name: 'gone2', kind: 'vm', config: { scsi0: 'local-lvm:vm-901-disk-0,size=8G' } },
];

/** What earlier calls have made. */
export interface Made {
  /** A task that there was. */
  readonly upid: string;
  /** A backup of guest 100. */
  readonly archive: string;
}

/** Whose tools are only called to be refused need not have made anything. */
export const nothingMade: Made = {
  upid: 'UPID:pve1:00004DFB:000A7B4C:6B00EF2B:vzstart:100:root@pam!lab:',
  archive: 'local:backup/vzdump-lxc-100-2026_11_01-03_00_00.tar.zst',
};

const container = 100;
const vm = 300;

/** What only makes sense with more than a guest. */
const own: Readonly<Record<string, (made: Made) => Record<string, unknown>>> = {
  proxmox_container_exec_command: () => ({ vmid: container, command: 'true' }),
  proxmox_host_exec_command: () => ({ command: 'true' }),
  proxmox_download_file_from_container: () => ({ vmid: container, container_path: '/etc/hosts' }),
  proxmox_upload_file_to_container: () => ({ vmid: container, ...upload('container_path') }),
  proxmox_download_file_from_host: () => ({ host_path: '/etc/hosts' }),
  proxmox_upload_file_to_host: () => upload('host_path'),
  proxmox_create_container: () => ({
    ...{ node: 'pve1', vmid: 910, hostname: 'new1', storage: 'local-lvm' },
    template: 'local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst',
  }),
  proxmox_clone_container: () => ({ vmid: 900, new_vmid: 911 }),
  proxmox_update_container_config: () => ({ vmid: 900, cores: 2 }),
  proxmox_resize_container_disk: () => ({ vmid: 900, disk: 'rootfs', grow_gib: 1 }),
  proxmox_migrate_container: () => ({ vmid: 900, target_node: 'pve2' }),
  proxmox_delete_container: () => ({ vmid: 900 }),
  proxmox_node_status: () => ({ node: 'pve1' }),
  proxmox_node_metrics: () => ({ node: 'pve1' }),
  proxmox_vm_exec: () => ({ vmid: vm, command: 'true' }),
  proxmox_vm_read_file: () => ({ vmid: vm, path: '/etc/hosts' }),
  proxmox_vm_write_file: () => ({ vmid: vm, path: '/tmp/every-tool', content: 'written' }),
  proxmox_create_vm: () => ({ node: 'pve1', vmid: 912, name: 'new2' }),
  proxmox_clone_vm: () => ({ vmid: 901, new_vmid: 913 }),
  proxmox_update_vm_config: () => ({ vmid: 901, cores: 2 }),
  proxmox_resize_vm_disk: () => ({ vmid: 901, disk: 'scsi0', grow_gib: 1 }),
  proxmox_migrate_vm: () => ({ vmid: 901, target_node: 'pve2' }),
  proxmox_delete_vm: () => ({ vmid: 901 }),
  proxmox_create_snapshot: () => ({ vmid: container, name: 'every' }),
  proxmox_rollback_snapshot: () => ({ vmid: container, name: 'every' }),
  proxmox_delete_snapshot: () => ({ vmid: container, name: 'every' }),
  proxmox_create_backup: () => ({ vmid: container, storage: 'local' }),
  proxmox_restore_backup: ({ archive }) => ({ archive, new_vmid: 914 }),
  proxmox_storage_content: () => ({ storage: 'local', node: 'pve1' }),
  proxmox_download_to_storage: () => ({
    ...{ storage: 'local', node: 'pve1', content: 'iso' },
    url: 'https://images.example/small.iso',
  }),
  proxmox_create_pool: () => ({ pool: 'every' }),
  proxmox_delete_pool: () => ({ pool: 'every' }),
  proxmox_task_status: ({ upid }) => ({ upid }),
  proxmox_wait_for_task: ({ upid }) => ({ upid }),
  proxmox_stop_task: ({ upid }) => ({ upid }),
  proxmox_api_search: () => ({ query: 'snapshot' }),
  proxmox_api_call: () => ({ method: 'GET', path: '/version' }),
};

function upload(path: string): Record<string, unknown> {
  return { [path]: '/tmp/every-tool', content: 'written', overwrite: true };
}

/** Of all others a guest is enough, or nothing. */
export function argumentsFor(
  tool: { readonly name: string; readonly target: string },
  made: Made = nothingMade,
): Record<string, unknown> {
  const named = own[tool.name];
  if (named !== undefined) return named(made);
  if (tool.target === 'container') return { vmid: container };
  if (tool.target === 'vm') return { vmid: vm };
  return tool.target === 'guest' ? { vmid: container } : {};
}
