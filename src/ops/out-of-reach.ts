/** Whether a way to Proxmox VE is closed, so that nothing was begun and another one may be tried. */
import { type ErrorCode, GatewayError } from '../base/errors.ts';

const codes: ReadonlySet<ErrorCode> = new Set([
  'HOST_UNREACHABLE',
  'HOST_KEY_REFUSED',
  'SSH_AUTH_FAILED',
  'SHELL_UNSUPPORTED',
  'NODE_UNKNOWN',
  'NODE_OUT_OF_REACH',
  'API_UNREACHABLE',
  'API_TLS_REFUSED',
  'API_AUTH_FAILED',
]);

export function isOutOfReach(error: unknown): boolean {
  return error instanceof GatewayError && codes.has(error.code);
}
