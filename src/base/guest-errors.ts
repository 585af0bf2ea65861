/** What can be wrong with the guest of a call: a code for each kind where both are known, their words made once. */
import { row } from './error-row.ts';

type Guest = { readonly vmid: number };

const left =
  'A backup, snapshot or migration is under way or was left behind: wait for it, or have an operator check it.';

const locked = (noun: string, advice: string) =>
  row<Guest & { lock: string }>(
    'not_started',
    true,
    ({ vmid, lock }) => `${noun} ${vmid} is locked by Proxmox VE (${lock}).`,
    advice,
  );

const isTemplate = (noun: string, clone: string) =>
  row<Guest>(
    'not_started',
    false,
    ({ vmid }) => `${noun} ${vmid} is a template, which can be cloned but not run.`,
    `Clone it with ${clone}, and use the clone.`,
  );

const notRunning = (noun: string, start: string) =>
  row<Guest>(
    'not_started',
    false,
    ({ vmid }) => `${noun} ${vmid} is not running.`,
    `${start} starts it; then call again if that is still needed.`,
  );

export const guestErrors = {
  CONTAINER_NOT_FOUND: row<Guest>(
    'not_started',
    false,
    ({ vmid }) => `There is no container ${vmid} on this Proxmox VE host or its cluster.`,
    'proxmox_list_containers shows the containers that exist.',
  ),
  NOT_A_CONTAINER: row<Guest>(
    'not_started',
    false,
    ({ vmid }) => `${vmid} is a virtual machine, not a container.`,
    'Use the id of a container; proxmox_list_containers shows them.',
  ),
  CONTAINER_ELSEWHERE: row<Guest & { node: string; here: string }>(
    'not_started',
    true,
    ({ vmid, node, here }) => `Container ${vmid} was looked for on node ${here} and is on ${node} now.`,
    'It is being moved: call again when that is done.',
  ),
  CONTAINER_NOT_RUNNING: notRunning('Container', 'proxmox_start_container'),
  CONTAINER_LOCKED: locked('Container', left),
  CONTAINER_IS_TEMPLATE: isTemplate('Container', 'proxmox_clone_container'),
  GUEST_NOT_FOUND: row<Guest>(
    'not_started',
    false,
    ({ vmid }) => `The gateway sees no guest ${vmid} in this Proxmox VE cluster.`,
    'proxmox_list_vms and proxmox_list_containers show those that it sees. If there is one, its API token lacks VM.Audit on it.',
  ),
  GUEST_NAME_UNKNOWN: row<{ name: string }>(
    'not_started',
    false,
    ({ name }) => `There is no guest named ${name} that this gateway may reach.`,
    'Names are compared exactly; proxmox_list_vms and proxmox_list_containers show them. An id works, too.',
  ),
  GUEST_NAME_AMBIGUOUS: row<{ name: string; vmids: readonly number[] }>(
    'not_started',
    false,
    ({ name, vmids }) => `Several guests are named ${name}: ${vmids.join(', ')}.`,
    'Use the id of the one that is meant.',
  ),
  NOT_A_VM: row<{ vmid: number }>(
    'not_started',
    false,
    ({ vmid }) => `${vmid} is a container, not a virtual machine.`,
    'Use the tools for containers, or the id of a virtual machine; proxmox_list_vms shows them.',
  ),
  GUEST_LOCKED: locked(
    'Virtual machine',
    `${left} proxmox_list_tasks with vmid and state running shows whether it is under way.`,
  ),
  GUEST_IS_TEMPLATE: isTemplate('Virtual machine', 'proxmox_clone_vm'),
  GUEST_RUNNING: row<{ action: string }>(
    'not_started',
    false,
    ({ action }) => `The call to ${action} was not carried out, because the guest is running.`,
    'Shut it down first with proxmox_shutdown_vm or proxmox_shutdown_container, if it may be off.',
  ),
  SHUTDOWN_TIMED_OUT: row<{ name: string; timeoutS: number }>(
    'failed',
    false,
    ({ name, timeoutS }) => `Asked to shut down, ${name} did not do so within ${timeoutS} s, and still runs.`,
    'Give it longer with timeout, or have it stopped when that is up with force=true.',
  ),
  VM_NOT_RUNNING: notRunning('Virtual machine', 'proxmox_start_vm'),
} as const;
