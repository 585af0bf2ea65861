/** Stands where commands reach no node: every call says so. */
import { failure } from '../base/errors.ts';
import type { Executor } from './executor.ts';

const refuse = () => Promise.reject(failure('SSH_NOT_CONFIGURED', {}));

export const noExecutor: Executor = {
  run: refuse,
  stage: refuse,
  status: () => ({ connected: false, connections: 0, channels: 0, queued: 0, problem: 'SSH_NOT_CONFIGURED' }),
  close: async () => {},
};
