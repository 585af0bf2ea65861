/** What can go wrong on purpose where Proxmox VE's REST API and its tasks are used. */
import { type None, row } from './error-row.ts';

/** Over SSH and over the REST API alike. */
export const notDone = row<{ action: string }>(
  'failed',
  false,
  ({ action }) => `Proxmox VE could not ${action}.`,
  'What Proxmox VE said is included; look at the state before calling again.',
);

export const apiErrors = {
  SSH_NOT_CONFIGURED: row<None>(
    'not_started',
    false,
    () => 'This tool works over SSH, and the gateway has no SSH credentials.',
    'An operator can set SSH_KEY or SSH_PASSWORD (and HOST), and restart the gateway.',
  ),
  API_NOT_CONFIGURED: row<None>(
    'not_started',
    false,
    () => "This tool works over Proxmox VE's REST API, and the gateway has no API token.",
    'An operator can set PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET_FILE, and restart the gateway.',
  ),
  API_UNREACHABLE: row<{ host: string; problem: string }>(
    'not_started',
    true,
    ({ host, problem }) => `The REST API of Proxmox VE cannot be used through ${host}: ${problem}.`,
    'Try again in a moment; if it lasts, the operator should check the host, PROXMOX_PORT and the network.',
  ),
  API_TLS_REFUSED: row<{ host: string; problem: string; seen?: string }>(
    'not_started',
    false,
    ({ host, problem, seen }) =>
      `The TLS certificate of ${host} was not accepted (${problem}), so nothing was sent.${seen === undefined ? '' : ` Its SHA-256 fingerprint is ${seen}.`}`,
    'The operator must compare that fingerprint with the one on the node (pvenode cert info) before putting it into PROXMOX_TLS_FINGERPRINT, or set PROXMOX_CA_FILE to a copy of /etc/pve/pve-root-ca.pem.',
  ),
  API_AUTH_FAILED: row<{ host: string; problem: string }>(
    'not_started',
    false,
    ({ host, problem }) => `The gateway cannot log in to the REST API at ${host}: ${problem}.`,
    'The operator must correct PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET, or make a new token.',
  ),
  API_FORBIDDEN: row<{ action: string; privilege: string; path: string }>(
    'not_started',
    false,
    ({ action, privilege, path }) =>
      `The gateway's API token may not ${action}${privilege === '' ? '' : `: it lacks ${privilege}${path === '' ? '' : ` on ${path}`}`}.`,
    'Check the id first: Proxmox VE says the same of what does not exist. Otherwise an operator can give the token a role with the missing privilege on that path (pveum acl modify).',
  ),
  API_ROOT_ONLY: row<{ action: string }>(
    'not_started',
    false,
    ({ action }) =>
      `Proxmox VE lets nobody but root@pam ${action} in this way, and no API token is root@pam.`,
    'What Proxmox VE said is included. No role helps: leave out what only root may set, or have an operator do it on the node.',
  ),
  API_REFUSED: row<{ action: string; parameters?: readonly string[] }>(
    'not_started',
    false,
    ({ action, parameters = [] }) =>
      `Proxmox VE refused to ${action}${parameters.length === 0 ? '' : ` because of ${parameters.join(', ')}`}.`,
    'What Proxmox VE said is included: correct the call, or see to what stands in its way (such as a guest that still runs). Where it names neither, call again in a moment.',
  ),
  API_FAILED: notDone,
  API_NO_ANSWER: row<{ host: string; problem: string }>(
    'not_started',
    true,
    ({ host, problem }) => `${host} was asked and gave no usable answer: ${problem}.`,
    'Only reading was tried; call again in a moment.',
  ),
  API_OUTCOME_UNKNOWN: row<{ action: string; problem: string }>(
    'unknown',
    false,
    ({ action, problem }) => `Proxmox VE was asked to ${action}, and no usable answer came: ${problem}.`,
    'It may have been carried out. Look at the state and at proxmox_list_tasks before calling again.',
  ),
  API_ANSWER_TOO_LARGE: row<{ maxBytes: number }>(
    'not_started',
    false,
    ({ maxBytes }) => `The answer of Proxmox VE was larger than the ${maxBytes} bytes that are read.`,
    'Only reading was tried. Ask for less: with a filter, a limit or a smaller part.',
  ),
  AGENT_UNAVAILABLE: row<{ vmid: number }>(
    'not_started',
    true,
    ({ vmid }) => `The guest agent of virtual machine ${vmid} does not answer.`,
    'qemu-guest-agent must be installed and running in the guest. A guest that is just booting needs a moment.',
  ),
  AGENT_NOT_CONFIGURED: row<{ vmid: number }>(
    'not_started',
    false,
    ({ vmid }) => `Virtual machine ${vmid} is not configured for a guest agent.`,
    'Set it with proxmox_update_vm_config (options {"agent": "1"}), have qemu-guest-agent installed in the guest, and stop and start the virtual machine.',
  ),
  AGENT_COMMAND_UNSEEN: row<{ vmid: number; problem: string }>(
    'unknown',
    false,
    ({ vmid, problem }) =>
      `A command was given to virtual machine ${vmid}, and its end was not seen: ${problem}.`,
    'It may have completed, or may still be running. Check the state before calling again.',
  ),
  TASK_FAILED: row<{ action: string; upid: string }>(
    'failed',
    false,
    ({ action, upid }) => `Proxmox VE began to ${action}, and the task failed (${upid}).`,
    'Its exit status and the end of its log are included, and tell whether anything was begun; look at the state before calling again.',
  ),
  TASK_LEFT_RUNNING: row<{ action: string; upid: string }>(
    'unknown',
    false,
    ({ action, upid }) =>
      `Proxmox VE was told to ${action}; the call ended before the task did (${upid}), and the task goes on.`,
    'Follow it with proxmox_wait_for_task.',
  ),
  CONFIRMATION_INVALID: row<{ problem: string }>(
    'not_started',
    false,
    ({ problem }) => `The confirmation that came with the call does not hold: ${problem}.`,
    'Call again without it, so that the person is asked anew.',
  ),
  CONFIRMATION_DECLINED: row<None>(
    'not_started',
    false,
    () => 'The person at the client was asked and did not agree.',
    'Do not call again unless the person asks for it.',
  ),
  CONFIRMATION_IMPOSSIBLE: row<None>(
    'not_started',
    false,
    () =>
      'The call needs the confirmation of a person, and this client cannot ask for it (REQUIRE_CONFIRMATION).',
    'Use a client that supports elicitation.',
  ),
} as const;
