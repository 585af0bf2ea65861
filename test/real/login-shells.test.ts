/** The login shell of the SSH user reads every line first; whichever it is, it must read it rightly. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { underCi } from '../ci.ts';
import { failureOf } from '../gateway/harness.ts';
import { onStand, startRealGateway } from './harness.ts';

const hostile = `a'b\\c"$HOME" \`id\` !! ~ * \n end`;

for (const shell of ['/bin/bash', '/bin/dash', '/usr/bin/zsh', '/usr/bin/ksh93', '/usr/bin/mksh']) {
  const reason = existsSync(shell) ? undefined : `${shell} is not installed`;
  if (reason !== undefined && underCi) throw new Error(reason);
  test(`${shell} as login shell`, reason === undefined ? onStand : { skip: reason }, async () => {
    const gateway = await startRealGateway({ node: { shell } });
    try {
      const result = await gateway.exec('printf %s "$V"; exit 5', { env: { V: hostile } });
      assert.deepEqual(result.structuredContent, {
        exit_code: 5,
        stdout: hostile,
        stderr: '',
        success: false,
      });
    } finally {
      await gateway.close();
    }
  });
}

test(
  'fish as login shell is refused, with the way out',
  existsSync('/usr/bin/fish') ? onStand : { skip: 'no fish' },
  async () => {
    const gateway = await startRealGateway({ node: { shell: '/usr/bin/fish' } });
    try {
      const failure = failureOf(await gateway.exec('true'));
      assert.equal(failure.code, 'SHELL_UNSUPPORTED');
      assert.match(failure.suggestion, /chsh/);
    } finally {
      await gateway.close();
    }
  },
);
