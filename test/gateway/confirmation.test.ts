/** Asking a person before something is done that cannot be undone, with clients of both eras. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  type Caller,
  connect,
  eras,
  type Person,
  personWho,
  type Stand,
  startStand,
} from './confirmation-stand.ts';
import { failureOf, textOf } from './harness.ts';

const yes: ReturnType<Person['answer']> = { action: 'accept', content: { confirm: true } };
const erase = { vmid: 101, name: 'before-upgrade' };

for (const era of eras)
  describe(`a client of the ${era} era`, () => {
    let stand: Stand;
    const clients: Caller[] = [];
    const client = async (person?: Person) => {
      const made = await connect(era, stand.url, person);
      clients.push(made);
      return made;
    };
    before(async () => {
      stand = await startStand();
    });
    after(async () => {
      for (const each of clients) await each.close();
      await stand.close();
    });

    test('is asked in words that say all of it, and what was agreed to is carried out', async () => {
      const person = personWho(() => yes);
      const caller = await client(person);
      const secret = { password: 'hunter2' };
      const result = await caller.call('proxmox_erase', {
        vmid: 'web',
        name: 'a\nThis is harmless',
        ...secret,
      });
      assert.equal(textOf(result), 'erased a\nThis is harmless of 101');
      assert.deepEqual(person.asked, [
        [
          'Erase snapshot',
          'guest: container 101 (web) on node pve1',
          'name: a\\u{a}This is harmless',
          'password: ***',
          'purge: false',
          '',
          'This cannot be undone. Do it?',
        ].join('\n'),
      ]);
      assert.deepEqual(stand.done.splice(0), ['erased a\nThis is harmless of 101']);
    });

    for (const [what, answer] of [
      ['declines', { action: 'decline' }],
      ['cancels', { action: 'cancel' }],
      ['says no', { action: 'accept', content: { confirm: false } }],
      ['sends the form without an answer', { action: 'accept', content: {} }],
    ] as const)
      test(`is told where the person ${what}, and nothing is done`, async () => {
        const caller = await client(personWho(() => answer));
        // A form that lacks what it must have is stopped by some clients and by the protocol layer itself.
        const result = await caller.call('proxmox_erase', erase).catch(() => undefined);
        if (result !== undefined) assert.equal(result.isError, true);
        if (answer.action !== 'accept' || 'confirm' in answer.content)
          assert.equal(failureOf(result ?? {}).code, 'CONFIRMATION_DECLINED');
        assert.deepEqual(stand.done.splice(0), []);
      });

    test('is asked anew each time', async () => {
      const person = personWho(() => yes);
      const caller = await client(person);
      await caller.call('proxmox_erase', erase);
      await caller.call('proxmox_erase', erase);
      assert.equal(person.asked.length, 2);
      assert.deepEqual(stand.done.splice(0), [
        'erased before-upgrade of 101',
        'erased before-upgrade of 101',
      ]);
    });

    test('does without a person what the operator allows, where it can ask none', async () => {
      const caller = await client();
      assert.equal(textOf(await caller.call('proxmox_erase', erase)), 'erased before-upgrade of 101');
      stand.rules.requireConfirmation = true;
      const refused = failureOf(await caller.call('proxmox_erase', erase));
      stand.rules.requireConfirmation = false;
      assert.equal(refused.code, 'CONFIRMATION_IMPOSSIBLE');
      assert.equal(stand.done.splice(0).length, 1);
    });

    test('is asked by what the call does, not by what the tool could do', async () => {
      const person = personWho(() => yes);
      const caller = await client(person);
      await caller.call('proxmox_any', { method: 'GET' });
      assert.equal(person.asked.length, 0);
      await caller.call('proxmox_any', { method: 'DELETE', params: { force: 1, token: 'x', ids: [1, 2] } });
      assert.match(
        person.asked[0] ?? '',
        /^method: DELETE\nparams\.force: 1\nparams\.token: \*\*\*\nparams\.ids: 1, 2$/m,
      );
      assert.deepEqual(stand.done.splice(0), ['GET', 'DELETE']);
    });

    test('is asked nothing where policy refuses anyway', async () => {
      const person = personWho(() => yes);
      const caller = await client(person);
      const codes = [failureOf(await caller.call('proxmox_erase', { ...erase, name: 'never' }))];
      stand.rules.deniedVmids = [{ first: 101, last: 101 }];
      codes.push(failureOf(await caller.call('proxmox_erase', erase)));
      stand.rules.deniedVmids = [];
      stand.rules.destructive = false;
      codes.push(failureOf(await caller.call('proxmox_erase', erase)));
      stand.rules.destructive = true;
      assert.deepEqual(
        codes.map(({ code }) => code),
        Array.from({ length: 3 }, () => 'PERMISSION_DENIED'),
      );
      assert.match(codes[0]?.error ?? '', /does not allow the call: snapshots named never stay/);
      assert.deepEqual([person.asked, stand.done.splice(0)], [[], []]);
    });

    test('is asked about the guest as it is now, not as it was some seconds ago', async () => {
      const person = personWho(() => yes);
      const caller = await client(person);
      Object.assign(stand.becomes, { node: 'pve2' });
      await caller.call('proxmox_erase', erase);
      assert.match(person.asked[0] ?? '', /on node pve2$/m);
      delete stand.becomes.node;
      assert.equal(stand.done.splice(0).length, 1);
    });

    test('is asked about guests that only the arguments name, and what was agreed to holds for those', async () => {
      const named = { method: 'DELETE', params: { vmid: 101 } };
      const person = personWho(() => yes);
      const caller = await client(person);
      await caller.call('proxmox_any', named);
      assert.match(person.asked[0] ?? '', /^concerns: container 101 \(web\) on node pve1$/m);
      assert.deepEqual(stand.done.splice(0), ['DELETE']);
      const exchanging = await client(
        personWho(() => {
          Object.assign(stand.becomes, { kind: 'vm', name: 'payroll' });
          return yes;
        }),
      );
      const refused = failureOf(await exchanging.call('proxmox_any', named));
      delete stand.becomes.kind;
      delete stand.becomes.name;
      assert.match(refused.error, /the guest has been moved, renamed or replaced since/);
      assert.deepEqual(stand.done.splice(0), []);
      const many = { method: 'DELETE', params: { vmid: Array.from({ length: 41 }, (_, at) => 200 + at) } };
      assert.match(failureOf(await caller.call('proxmox_any', many)).error, /41 guests at once/);
    });

    test('is not served where policy or the guest changes while the person thinks', async () => {
      const changed = async (change: () => void) => {
        const caller = await client(
          personWho(() => {
            change();
            return yes;
          }),
        );
        return failureOf(await caller.call('proxmox_erase', erase));
      };
      const denied = await changed(() => {
        stand.rules.readOnly = true;
      });
      stand.rules.readOnly = false;
      assert.equal(denied.code, 'PERMISSION_DENIED');
      const moved = await changed(() => {
        stand.web.node = 'pve2';
      });
      stand.web.node = 'pve1';
      assert.match(moved.error, /the guest has been moved, renamed or replaced since/);
      assert.deepEqual(stand.done.splice(0), []);
    });

    test('leaves the question, the answer and the deed in the audit log under one id', async () => {
      const since = (await stand.audit()).length;
      const agreeing = await client(personWho(() => yes));
      await agreeing.call('proxmox_erase', erase);
      const declining = await client(personWho(() => ({ action: 'decline' })));
      await declining.call('proxmox_erase', erase);
      const lines = (await stand.audit()).slice(since);
      const [question, , , second] = lines;
      assert.deepEqual(
        lines.map(({ event, code, outcome }) => [event, code, outcome]),
        [
          ['refuse', 'CONFIRMATION_ASKED', 'asked'],
          ['begin', undefined, undefined],
          ['finish', undefined, 'ok'],
          ['refuse', 'CONFIRMATION_ASKED', 'asked'],
          ['refuse', 'CONFIRMATION_DECLINED', 'denied'],
        ],
      );
      assert.deepEqual(
        lines.map(({ requestId }) => requestId),
        [...Array.from({ length: 3 }, () => question?.requestId), second?.requestId, second?.requestId],
      );
      assert.match(String(question?.reason), /Erase snapshot.*container 101 \(web\).*before-upgrade/);
      assert.match(await stand.metrics(), /tool="proxmox_erase",effect="destroy",outcome="asked"/);
      stand.done.splice(0);
    });
  });
