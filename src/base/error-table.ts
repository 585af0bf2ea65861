/** Everything that can go wrong on purpose: one row a code, with what a person or a model reads. */
import { apiErrors, notDone } from './api-errors.ts';
import { type None, row } from './error-row.ts';
import { fileErrors } from './file-errors.ts';
import { guestErrors } from './guest-errors.ts';

export const errorTable = {
  INVALID_ARGUMENT: row<{ problem: string }>(
    'not_started',
    false,
    ({ problem }) => `The arguments were not accepted: ${problem}.`,
    'Correct the named arguments and call again.',
  ),
  PERMISSION_DENIED: row<{ reason: string }>(
    'not_started',
    false,
    ({ reason }) => `This gateway's policy does not allow the call: ${reason}.`,
    'Do not try to get around this. Where a setting is named, an operator can change it and restart the gateway.',
  ),
  NODE_UNKNOWN: row<{ node: string }>(
    'not_started',
    false,
    ({ node }) => `The cluster names no address of a node ${node}.`,
    'If there is such a node, an operator can set SSH_NODES to where it is reached.',
  ),
  NODE_OUT_OF_REACH: row<{ node: string; here: string }>(
    'not_started',
    false,
    ({ node, here }) =>
      `This is on node ${node}; the gateway runs on ${here} and has no SSH credentials for other nodes.`,
    'An operator can set SSH_KEY, or use the tools of the REST API.',
  ),
  COMMAND_NOT_STARTED: row<{ where: string }>(
    'not_started',
    false,
    ({ where }) => `The command could not be started ${where}.`,
    'The output below, if any, is what the host said. Check that /bin/sh works there.',
  ),
  COMMAND_TIMEOUT: row<{ timeoutS: number; stopped: boolean }>(
    'unknown',
    false,
    ({ timeoutS, stopped }) =>
      `The command did not finish within ${timeoutS} s. ${
        stopped
          ? 'It was stopped with everything in its process group; what it had done by then remains.'
          : 'Whether it could be stopped is not known.'
      }`,
    'Give a longer timeout, or a command that does less. Output up to then is included.',
  ),
  CANCELLED: row<{ stopped: boolean }>(
    'unknown',
    false,
    ({ stopped }) =>
      stopped
        ? 'The call was cancelled and its command stopped; what it had done by then remains.'
        : 'The call was cancelled. Whether its command could be stopped is not known.',
    'Check the state before calling again.',
  ),
  CANCELLED_EARLY: row<None>(
    'not_started',
    true,
    () => 'The call was cancelled before anything was started.',
    'Call again if it is still wanted.',
  ),
  LOOK_FAILED: row<{ what: string }>(
    'not_started',
    false,
    ({ what }) => `The host could not be asked for ${what}.`,
    'If the host says nothing better: HOST must be a Proxmox VE node, and the SSH user root (or SSH_SUDO=true).',
  ),
  ACTION_FAILED: notDone,
  ACTION_INCOMPLETE: row<{ action: string; state: string }>(
    'failed',
    true,
    ({ action, state }) => `Proxmox VE was told to ${action}, and the guest is still ${state}.`,
    'Wait, and look at its status again.',
  ),
  ...guestErrors,
  ...fileErrors,
  ...apiErrors,
  UNEXPECTED_ANSWER: row<{ from: string }>(
    'not_started',
    false,
    ({ from }) => `${from} gave an answer that this gateway does not understand.`,
    'Tell the operator of the gateway; its log has the request id.',
  ),
  HOST_UNREACHABLE: row<{ host: string; problem: string; retryInS?: number }>(
    'not_started',
    true,
    ({ host, problem, retryInS }) =>
      `The Proxmox VE host ${host} cannot be reached over SSH: ${problem}.${retryAfter(retryInS)}`,
    'Try again in a moment; if it lasts, the operator should check the host and the network.',
  ),
  HOST_KEY_REFUSED: row<{ host: string; seen: string }>(
    'not_started',
    false,
    ({ host, seen }) =>
      `The SSH host key of ${host} (${seen}) is not one of the pinned keys, so no login was tried.`,
    'The operator must compare that fingerprint with the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub) before putting it into SSH_HOST_KEY.',
  ),
  SSH_AUTH_FAILED: row<{ host: string; username: string; retryInS?: number }>(
    'not_started',
    false,
    ({ host, username, retryInS }) =>
      `${host} did not accept the gateway's SSH credentials for ${username}.${retryAfter(retryInS)}`,
    'The operator must correct SSH_KEY, SSH_PASSWORD or SSH_USERNAME.',
  ),
  SHELL_UNSUPPORTED: row<{ host: string }>(
    'not_started',
    false,
    ({ host }) => `The login shell on ${host} does not follow POSIX quoting rules (fish, for one, does not).`,
    'The operator must give the SSH user a POSIX shell, for example: chsh -s /bin/bash.',
  ),
  CONNECTION_LOST: row<{ host: string }>(
    'unknown',
    false,
    ({ host }) => `The connection to ${host} was lost before the command reported its end.`,
    'It may have completed, or may still be running. Check the state before calling again.',
  ),
  BUSY: row<{ what: string; retryInS: number }>(
    'not_started',
    true,
    ({ what, retryInS }) => `Too much is under way at once: ${what}. Try again in ${retryInS} s.`,
    'Wait, then call again; make fewer calls at the same time.',
  ),
  AUDIT_UNAVAILABLE: row<None>(
    'not_started',
    true,
    () => 'The audit log cannot be written, so no call is carried out.',
    'The operator must make AUDIT_FILE writable (free space, permissions).',
  ),
  SHUTTING_DOWN: row<None>(
    'not_started',
    true,
    () => 'The gateway is shutting down.',
    'Call again in a few seconds.',
  ),
  INTERNAL: row<{ requestId: string }>(
    'unknown',
    false,
    ({ requestId }) => `Something failed inside the gateway (request ${requestId}).`,
    'Tell the operator the request id; the gateway log has the details.',
  ),
} as const;

function retryAfter(retryInS: number | undefined): string {
  return retryInS === undefined ? '' : ` The next attempt is possible in ${retryInS} s.`;
}
