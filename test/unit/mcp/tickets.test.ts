import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createTickets, type TicketClaim } from '../../../src/mcp/tickets.ts';

const key = randomBytes(32);
const ttlMs = 600_000;
const tickets = createTickets({ key, ttlMs });
const claim: TicketClaim = {
  tool: 'proxmox_upload_file_to_container',
  args: { vmid: 100, container_path: '/srv/a\u0001 "b"\n\u{1f600}', overwrite: false, mode: null },
  principal: 'alice',
  method: 'PUT',
  maxBytes: 10_485_760,
};
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

test('a ticket opens to what it was issued for, also in another process with the same key', () => {
  const before = Date.now();
  const { token, expiresAt } = tickets.issue(claim);
  for (const each of [tickets, createTickets({ key, ttlMs: 1 })]) {
    const opened = each.open(token);
    assert.ok(opened);
    const { id, issuedAt, expiresAt: until, ...rest } = opened;
    assert.deepEqual(rest, claim);
    assert.ok(issuedAt >= before && issuedAt <= Date.now());
    assert.equal(until, issuedAt + ttlMs);
    assert.equal(until, expiresAt.getTime());
    assert.ok(id.length >= 20);
  }
});

test('no two tickets for the same are alike', () => {
  const issued = Array.from({ length: 200 }, () => tickets.issue(claim).token);
  assert.equal(new Set(issued).size, 200);
  assert.equal(new Set(issued.map((token) => tickets.open(token)?.id)).size, 200);
});

test('a ticket can stand in a path as it is and shows nothing of what it says', () => {
  const { token } = tickets.issue(claim);
  assert.match(token, /^[A-Za-z0-9_-]+$/);
  const bytes = Buffer.from(token, 'base64url').toString('latin1');
  for (const secret of ['alice', 'srv', 'proxmox', 'PUT', '100']) {
    assert.ok(!token.includes(secret), secret);
    assert.ok(!bytes.includes(secret), secret);
  }
});

test('a ticket with any one character changed does not open', () => {
  const { token } = tickets.issue(claim);
  assert.ok(tickets.open(token));
  for (let at = 0; at < token.length; at++)
    for (const other of alphabet)
      if (other !== token[at])
        assert.equal(
          tickets.open(token.slice(0, at) + other + token.slice(at + 1)),
          undefined,
          `${at} ${other}`,
        );
});

test('every other spelling of the same bytes is refused', () => {
  // One of three lengths leaves no bits over in its last character; the others must not be passed over.
  const lengths = new Set<number>();
  for (const path of ['/a', '/ab', '/abc']) {
    const { token } = tickets.issue({ ...claim, args: { path } });
    lengths.add(token.length % 4);
    const bytes = Buffer.from(token, 'base64url');
    const spellings = [
      ...[...alphabet].map((last) => token.slice(0, -1) + last),
      `${token}=`,
      `${token}==`,
      `${token} `,
      ` ${token}`,
      `${token}\n`,
      `${token.slice(0, 8)}\n${token.slice(8)}`,
      `${token}.`,
      `${token}A`,
      `${token.slice(0, 5)}~${token.slice(5)}`,
      token.replaceAll('-', '+').replaceAll('_', '/'),
      bytes.toString('base64'),
    ];
    for (const spelling of spellings.filter((each) => each !== token))
      assert.equal(tickets.open(spelling), undefined, JSON.stringify(spelling.slice(-12)));
  }
  assert.deepEqual([...lengths].sort(), [0, 2, 3]);
});

test('no part of a ticket, and nothing that is none, opens', () => {
  const { token } = tickets.issue(claim);
  for (let length = 0; length < token.length; length++)
    assert.equal(tickets.open(token.slice(0, length)), undefined, `${length}`);
  for (const text of ['', 'x', '..', '\u{1f600}', 'A'.repeat(38), 'A'.repeat(8_000), 'A'.repeat(100_000)])
    assert.equal(tickets.open(text), undefined);
  assert.equal(tickets.open(token + tickets.issue(claim).token), undefined);
});

test('another key does not open it', () => {
  const { token } = tickets.issue(claim);
  assert.equal(createTickets({ key: randomBytes(32), ttlMs }).open(token), undefined);
});

test('parts of two tickets make none', () => {
  const [one, two] = [tickets.issue(claim).token, tickets.issue(claim).token];
  assert.equal(one.length, two.length);
  for (const at of [16, 17, one.length - 22, one.length - 21])
    assert.equal(tickets.open(one.slice(0, at) + two.slice(at)), undefined);
});

test('a ticket that has expired still opens, so that its holder can be told', (t) => {
  const { token, expiresAt } = tickets.issue(claim);
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 10 * ttlMs });
  const opened = tickets.open(token);
  assert.equal(opened?.expiresAt, expiresAt.getTime());
  assert.ok(opened.expiresAt < Date.now());
});

test('a ticket too long for a request line is not issued', () => {
  const withPath = (chars: number) => ({ ...claim, args: { container_path: `/${'x'.repeat(chars)}` } });
  const { token } = tickets.issue(withPath(4_095));
  assert.ok(token.length <= 8_000);
  assert.equal(tickets.open(token)?.args.container_path, `/${'x'.repeat(4_095)}`);
  let longest = 0;
  for (let chars = 5_000; chars < 6_500; chars++) {
    try {
      longest = Math.max(longest, tickets.issue(withPath(chars)).token.length);
    } catch (error) {
      assert.ok(error instanceof RangeError);
      assert.ok(longest > 7_990 && longest <= 8_000, `${longest}`);
      return;
    }
  }
  assert.fail('every length was issued');
});
