/** A client of the lab's REST API, and the real node's transcripts to compare it with. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Lab } from '../../../lab/lab.ts';
import { underCi } from '../../ci.ts';

export type Params = Readonly<Record<string, string | number | readonly string[]>>;

export interface RestAnswer {
  readonly status: number;
  readonly reason: string;
  /** The body as it came. */
  readonly text: string;
  readonly data: unknown;
  readonly message: string | undefined;
  readonly errors: Readonly<Record<string, string>> | undefined;
  readonly total: number | undefined;
}

export interface Login {
  readonly id: string;
  readonly secret: string;
}

function encoded(params: Params): string {
  return Object.entries(params)
    .flatMap(([name, value]) => [value].flat().map((one) => [name, one] as const))
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
}

/** Asks the first node, as the lab's own token unless another is given. */
export async function ask(
  lab: Lab,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  params: Params = {},
  { id, secret }: Login = { id: lab.apiTokenId, secret: lab.apiTokenSecret },
): Promise<RestAnswer> {
  const inBody = method === 'POST' || method === 'PUT';
  const query = inBody || Object.keys(params).length === 0 ? '' : `?${encoded(params)}`;
  const { promise, resolve, reject } = Promise.withResolvers<RestAnswer>();
  const sent = request({
    ...{ host: lab.host, port: lab.apiPort, method, path: `/api2/json${path}${query}` },
    ...{ ca: lab.apiCertificate, agent: false },
    headers: {
      authorization: `PVEAPIToken=${id}=${secret}`,
      ...(inBody && { 'content-type': 'application/x-www-form-urlencoded' }),
    },
  });
  sent.on('error', reject);
  sent.on('response', (response) => {
    const { statusCode: status = 0, statusMessage: reason = '' } = response;
    text(response).then((body) => resolve({ status, reason, text: body, ...parsed(body) }), reject);
  });
  sent.end(inBody ? encoded(params) : undefined);
  return await promise;
}

function parsed(body: string): Pick<RestAnswer, 'data' | 'message' | 'errors' | 'total'> {
  const { data, message, errors, total } = body === '' ? {} : JSON.parse(body);
  return { data, message, errors, total };
}

/** The data of an answer that must be a success. */
export async function get<T>(lab: Lab, path: string, params?: Params, login?: Login): Promise<T> {
  const answer = await ask(lab, 'GET', path, params, login);
  assert.equal(answer.status, 200, answer.text);
  return answer.data as T;
}

export interface TaskEnd {
  readonly type: string;
  readonly id: string;
  readonly exitStatus: string;
  readonly lines: readonly string[];
}

/** Sends what starts a task, and waits for its end. */
export async function carryOut(
  lab: Lab,
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  params?: Params,
): Promise<TaskEnd> {
  const answer = await ask(lab, method, path, params);
  assert.equal(answer.status, 200, answer.text);
  const task = lab.api.tasks.find(String(answer.data));
  assert.ok(task, `no UPID: ${answer.text}`);
  while (task.exitStatus === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
  return { type: task.type, id: task.id, exitStatus: task.exitStatus, lines: task.lines };
}

/** A token with these privileges everywhere. */
export function loginWith(lab: Lab, name: string, privileges: readonly string[]): Login {
  const id = `${name}@pve!test`;
  return { id, secret: lab.api.addToken({ id, privileges: { '/': privileges } }) };
}

export const auditor = [
  ...['Datastore.Audit', 'Pool.Audit', 'SDN.Audit', 'Sys.Audit', 'VM.Audit', 'VM.GuestAgent.Audit'],
];

interface Transcript {
  readonly id: string;
  readonly status: number;
  readonly reason: string;
  readonly body: { readonly data: unknown; readonly message?: string; readonly errors?: object };
}

const transcripts = new URL('../../../../shared/pve/golden/rest.json', import.meta.url);

/** Why tests against the transcripts are left out; nothing under CI, where they must run. */
export const withoutTranscripts: string | false =
  existsSync(transcripts) || underCi ? false : 'the transcripts of a real node are not here';

let read: readonly Transcript[] | undefined;

/** What the real node answered. */
export function golden(id: string): Transcript {
  read ??= JSON.parse(readFileSync(transcripts, 'utf8')) as Transcript[];
  const found = read.find((transcript) => transcript.id === id);
  assert.ok(found, `no transcript ${id}`);
  return found;
}

/** That an answer is word for word what the real node said. */
export function assertAsGolden(answer: RestAnswer, id: string): void {
  const { status, reason, body } = golden(id);
  assert.deepEqual({ status: answer.status, reason: answer.reason }, { status, reason });
  assert.deepEqual(answer.text === '' ? '' : JSON.parse(answer.text), body);
}

/** That two values have the same keys and types; arrays are compared by their first items. */
export function assertSameShape(actual: unknown, expected: unknown, place = 'data'): void {
  assert.equal(kindOf(actual), kindOf(expected), place);
  if (Array.isArray(actual) && Array.isArray(expected)) {
    if (expected.length > 0) assertSameShape(actual[0], expected[0], `${place}[0]`);
  } else if (kindOf(actual) === 'object') {
    const [own, others] = [actual, expected] as Record<string, unknown>[];
    assert.deepEqual(Object.keys(own ?? {}).sort(), Object.keys(others ?? {}).sort(), place);
    for (const [key, value] of Object.entries(own ?? {}))
      assertSameShape(value, others?.[key], `${place}.${key}`);
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
