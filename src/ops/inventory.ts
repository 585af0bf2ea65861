/** Finds guests: what there is, where it lives, whether it runs. */
import { failure } from '../base/errors.ts';
import { wholeText } from '../exec/capture.ts';
import type { Command, Executor } from '../exec/executor.ts';
import { type ContainerDriver, lxcAttachDriver, pctDriver } from './driver.ts';
import { type Guest, parseSurvey, type Survey, surveyScript } from './survey.ts';

export interface Inventory {
  /** Containers of the whole cluster, by id. */
  list(signal: AbortSignal): Promise<readonly Guest[]>;
  /** The guest, from a survey at most 5 s old; undefined where a new one does not show it. */
  find(vmid: number, signal: AbortSignal): Promise<Guest | undefined>;
  /** The container as it is now. Throws CONTAINER_NOT_FOUND, NOT_A_CONTAINER. */
  get(vmid: number, signal: AbortSignal): Promise<Guest>;
  /** The container as it is now, on the node that this gateway is connected to. Throws CONTAINER_ELSEWHERE too. */
  getLocal(vmid: number, signal: AbortSignal): Promise<Guest>;
  /** The container's configuration, snapshots left out. */
  config(vmid: number, signal: AbortSignal): Promise<ContainerConfig>;
  driver(signal: AbortSignal): Promise<ContainerDriver>;
}

export interface ContainerConfig {
  readonly vmid: number;
  readonly node: string;
  readonly description: string;
  /** As in the file: one value a key, raw `lxc.` keys may repeat and are joined by newlines. */
  readonly config: Readonly<Record<string, string>>;
}

/** A thousand containers make a survey of about 200 kB. */
const maxSurveyBytes = 16 * 1024 * 1024;
const maxConfigBytes = 1024 * 1024;
const surveyTimeoutMs = 30_000;
const freshMs = 5_000;

export function createInventory(input: {
  executor: Executor;
  driverName: 'auto' | 'lxc-attach' | 'pct';
}): Inventory {
  const { executor } = input;
  let driver: ContainerDriver | undefined;
  let latest: { readonly survey: Survey; readonly at: number } | undefined;

  const sh = async (script: string, maxBytes: number, signal: AbortSignal, args: string[] = []) => {
    const command: Command = {
      argv: ['/bin/sh', '-c', script, 'sh', ...args],
      timeoutMs: surveyTimeoutMs,
      maxBytes,
    };
    return await executor.run(command, { signal });
  };

  const chooseDriver = async (signal: AbortSignal): Promise<ContainerDriver> => {
    if (input.driverName === 'pct') return pctDriver;
    if (input.driverName === 'lxc-attach') return lxcAttachDriver;
    const { exitCode } = await sh('command -v lxc-attach >/dev/null', 1000, signal);
    return exitCode === 0 ? lxcAttachDriver : pctDriver;
  };

  const survey = async (signal: AbortSignal): Promise<Survey> => {
    driver ??= await chooseDriver(signal);
    const { running, states } = driver;
    const { exitCode, stdout, stderr } = await sh(surveyScript(states), maxSurveyBytes, signal);
    if (exitCode !== 0)
      throw failure('LOOK_FAILED', { what: 'its guests' }, { evidence: { stderr: wholeText(stderr) } });
    const found = parseSurvey(wholeText(stdout), running);
    latest = { survey: found, at: performance.now() };
    return found;
  };

  const get = async (vmid: number, signal: AbortSignal, where: 'anywhere' | 'here') => {
    const { guests, here } = await survey(signal);
    const guest = guests.get(vmid);
    if (guest === undefined) throw failure('CONTAINER_NOT_FOUND', { vmid });
    if (guest.kind !== 'container') throw failure('NOT_A_CONTAINER', { vmid });
    if (where === 'here' && guest.node !== here)
      throw failure('CONTAINER_ELSEWHERE', { vmid, node: guest.node, here });
    return guest;
  };

  return {
    async list(signal) {
      const { guests } = await survey(signal);
      return [...guests.values()]
        .filter(({ kind }) => kind === 'container')
        .sort((one, other) => one.vmid - other.vmid);
    },
    async find(vmid, signal) {
      const fresh = latest !== undefined && performance.now() - latest.at < freshMs;
      const known = fresh ? latest?.survey.guests.get(vmid) : undefined;
      return known ?? (await survey(signal)).guests.get(vmid);
    },
    get: (vmid, signal) => get(vmid, signal, 'anywhere'),
    getLocal: (vmid, signal) => get(vmid, signal, 'here'),
    async config(vmid, signal) {
      const { node } = await get(vmid, signal, 'anywhere');
      const { exitCode, stdout, stderr } = await sh(`cat -- "$1"`, maxConfigBytes, signal, [
        `/etc/pve/nodes/${node}/lxc/${vmid}.conf`,
      ]);
      if (exitCode !== 0)
        throw failure(
          'LOOK_FAILED',
          { what: `the configuration of container ${vmid}` },
          { evidence: { stderr: wholeText(stderr) } },
        );
      return { vmid, node, ...parseConfig(wholeText(stdout)) };
    },
    driver: async (signal) => {
      driver ??= await chooseDriver(signal);
      return driver;
    },
  };
}

/** A guest configuration: description as # lines, URL-encoded, then keys, up to the first snapshot section. */
export function parseConfig(text: string): { description: string; config: Record<string, string> } {
  const description: string[] = [];
  const config: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) break;
    if (line.startsWith('#')) description.push(decoded(line.slice(1)));
    const match = /^([A-Za-z0-9_.-]+)\s*[:=]\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, key = '', value = ''] = match;
    config[key] = config[key] === undefined ? value : `${config[key]}\n${value}`;
  }
  return { description: description.join('\n'), config: { ...config } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
