/** Stands where no API token is configured: every call says so. */
import { failure } from '../base/errors.ts';
import type { Pve } from './pve.ts';

export const noPve: Pve = {
  request: () => Promise.reject(failure('API_NOT_CONFIGURED', {})),
  file: () => Promise.reject(failure('API_NOT_CONFIGURED', {})),
  status: () => ({ reachable: false, problem: 'API_NOT_CONFIGURED' }),
  close: async () => {},
};
