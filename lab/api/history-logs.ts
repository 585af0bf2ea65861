/** Endpoints for the system log of a node: some lines of everyday life, the same at each look. */
import { type Call, defineEndpoint, type Endpoint, type Permission } from './endpoint.ts';

interface Entry {
  /** Seconds since 1970. */
  readonly timeS: number;
  readonly service: string;
  readonly text: string;
}

const everyday: readonly Pick<Entry, 'service' | 'text'>[] = [
  { service: 'pvestatd', text: 'status update time (5.214 seconds)' },
  { service: 'pvedaemon', text: '<root@pam!lab> successful auth for user' },
  { service: 'systemd', text: 'Starting daily clean-up of temporary directories...' },
  { service: 'systemd', text: 'Finished daily clean-up of temporary directories.' },
  { service: 'sshd-session', text: 'Accepted publickey for root from 10.99.0.9 port 50712 ssh2' },
  { service: 'pvescheduler', text: 'replication: nothing to do' },
  { service: 'smartd', text: 'Device: /dev/sda [SAT], SMART Usage Attribute: 194 changed from 64 to 63' },
];

const stepS = 90;
const count = 200;

function entries(nowS: number): Entry[] {
  const lastS = Math.floor(nowS / stepS) * stepS;
  return Array.from({ length: count }, (_none, index) => {
    const timeS = lastS - (count - 1 - index) * stepS;
    const { service, text } = everyday[(timeS / stepS) % everyday.length] ?? { service: 'systemd', text: '' };
    return { timeS, service, text };
  });
}

function lineOf(host: string, { timeS, service, text }: Entry): string {
  const [, day, month, time] =
    /^\w+, (\d+) (\w+) \d+ ([\d:]+)/.exec(new Date(timeS * 1000).toUTCString()) ?? [];
  return `${month} ${day} ${time} ${host} ${service}[812]: ${text}`;
}

/** `2026-11-21 01:02`, in UTC as the node's clock. */
function secondsOf(text: string | undefined): number | undefined {
  return text === undefined
    ? undefined
    : Date.parse(`${text.replace(' ', 'T')}${text.length > 10 ? 'Z' : ''}`) / 1000;
}

function between(sinceS = 0, untilS = Number.POSITIVE_INFINITY): Entry[] {
  return entries(Date.now() / 1000).filter(({ timeS }) => timeS >= sinceS && timeS <= untilS);
}

const noEntries = '-- No entries --';

function syslog(call: Call) {
  const { values, node } = call;
  const service = values.find('service');
  const found = between(secondsOf(values.find('since')), secondsOf(values.find('until')))
    .filter((entry) => service === undefined || entry.service === service)
    .map((entry) => lineOf(node.name, entry));
  const lines = found.length === 0 ? [noEntries] : found;
  const start = values.findNumber('start') ?? 0;
  call.setTotal(lines.length);
  return lines
    .map((text, index) => ({ n: index + 1, t: text }))
    .slice(start, start + (values.findNumber('limit') ?? 50));
}

/** The cursor of the first line, the lines, the cursor of the last. */
function journal({ values, node }: Call): string[] {
  const found = between(values.findNumber('since'), values.findNumber('until'));
  const last = values.findNumber('lastentries');
  const shown = last === undefined ? found : found.slice(Math.max(0, found.length - last));
  const cursor = (entry: Entry | undefined) => `s=1ab;i=${(entry?.timeS ?? 0).toString(16)};b=1ab`;
  return [cursor(shown[0]), ...shown.map((entry) => lineOf(node.name, entry)), cursor(shown.at(-1))];
}

const readsLog: Permission = { path: '/nodes/{node}', privileges: ['Sys.Syslog'] };
const when = /^\d{4}-\d{2}-\d{2}( \d{2}:\d{2}(:\d{2})?)?$/;

export const logEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/syslog', about: 'Reads the system log.', returns: 'array' },
    parameters: {
      limit: { type: 'integer', optional: true, minimum: 0, about: 'Lines at most.' },
      service: { type: 'string', optional: true, maxLength: 128, about: 'Only lines of this service.' },
      since: { type: 'string', optional: true, pattern: when, about: 'Only lines from then on.' },
      start: { type: 'integer', optional: true, minimum: 0, about: 'Lines to pass over.' },
      until: { type: 'string', optional: true, pattern: when, about: 'Only lines up to then.' },
    },
    ...{ permission: readsLog, run: syslog },
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/journal', about: 'Reads the journal.', returns: 'array' },
    parameters: {
      lastentries: { type: 'integer', optional: true, minimum: 0, about: 'So many lines before the end.' },
      since: {
        type: 'integer',
        optional: true,
        minimum: 0,
        about: 'Only lines from then on, in seconds since 1970.',
      },
      until: {
        type: 'integer',
        optional: true,
        minimum: 0,
        about: 'Only lines up to then, in seconds since 1970.',
      },
    },
    ...{ permission: readsLog, run: journal },
  }),
];
