/** A host that answers as it is told, for what asks hosts. */
import assert from 'node:assert/strict';
import { createCapture } from '../../../src/exec/capture.ts';
import type { Command, ExecResult, Executor, ExecutorStatus } from '../../../src/exec/executor.ts';

export interface StandHost {
  readonly executor: Executor;
  /** Everything that it was asked, in order. */
  readonly asked: Command[];
  closed: boolean;
}

export function captured(text: string): ExecResult['stdout'] {
  const capture = createCapture({ maxBytes: 1_000_000 });
  capture.push(Buffer.from(text));
  return capture.result();
}

/** `answer` gets the shell script, or the command itself where there is none; a number is an exit code. */
export function standHost(
  answer: (script: string, args: readonly string[]) => string | number,
  status: () => Partial<ExecutorStatus> = () => ({}),
): StandHost {
  const asked: Command[] = [];
  const host: StandHost = {
    asked,
    closed: false,
    executor: {
      async run(command) {
        asked.push(command);
        const { argv } = command;
        const inShell = argv[0] === '/bin/sh';
        const said = inShell ? answer(argv[2] ?? '', argv.slice(4)) : answer(argv.join(' '), []);
        const exitCode = typeof said === 'number' ? said : 0;
        return {
          exitCode,
          stdout: captured(typeof said === 'number' ? '' : said),
          stderr: captured(exitCode === 0 ? '' : 'no!'),
          begun: true,
          background: false,
        };
      },
      stage: () => assert.fail('nothing is staged here'),
      status: () => ({ connected: true, connections: 1, channels: 0, queued: 0, ...status() }),
      async close() {
        host.closed = true;
      },
    },
  };
  return host;
}
