/** What the REST API says of the cluster's guests; a token sees only those that it has a right to see. */

import { z } from 'zod';
import { GatewayError } from '../base/errors.ts';
import { wordsIn } from '../base/text.ts';
import { guestPath } from '../pve/api-path.ts';
import type { Pve } from '../pve/pve.ts';
import { Flag, Text } from './answers.ts';
import type { ContainerConfig } from './guest-conf.ts';
import { readResources } from './resources.ts';
import type { Guest, RunState, Survey } from './survey.ts';

export interface ApiSource {
  /** States are up to ten seconds old. */
  survey(signal: AbortSignal): Promise<Survey>;
  /** A container with its state of this moment; undefined where the node does not have it any more. */
  now(guest: Guest, signal: AbortSignal): Promise<Guest | undefined>;
  config(guest: Guest, signal: AbortSignal): Promise<ContainerConfig>;
}

const Current = z.object({ status: Text, lock: Text, name: Text, tags: Text, template: Flag });
const Config = z.record(z.string(), z.union([z.string(), z.number(), z.null(), z.array(z.unknown())]));

export function createApiSource({ pve }: { pve: Pve }): ApiSource {
  return {
    async survey(signal) {
      const action = 'list the guests of its cluster';
      const guests = new Map<number, Guest>();
      const nodes = new Set<string>();
      for (const { type, node, vmid, ...rest } of await readResources(pve, { action, signal })) {
        if (node !== undefined && type === 'node') nodes.add(node);
        if (node === undefined || vmid === undefined) continue;
        if (type === 'lxc' || type === 'qemu')
          guests.set(vmid, { vmid, kind: type === 'lxc' ? 'container' : 'vm', node, ...described(rest) });
      }
      return { guests, nodes };
    },
    async now(guest, signal) {
      const action = `tell the state of guest ${guest.vmid}`;
      const request = { method: 'GET', path: guestPath(guest, 'status', 'current'), signal, action } as const;
      try {
        return { ...guest, ...described(await pve.request(request, Current)) };
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'GUEST_NOT_FOUND') return undefined;
        throw error;
      }
    },
    async config(guest, signal) {
      const { vmid, node } = guest;
      const action = `read the configuration of container ${vmid}`;
      const request = { method: 'GET', path: guestPath(guest, 'config'), signal, action } as const;
      const { description, digest: _, lxc, ...rest } = await pve.request(request, Config);
      const values = Object.entries(rest).filter(([, value]) => value !== null);
      const config = Object.fromEntries(values.map(([key, value]) => [key, String(value)]));
      for (const [key, value] of rawLines(lxc))
        config[key] = config[key] === undefined ? value : `${config[key]}\n${value}`;
      return { vmid, node, description: String(description ?? '').replace(/\n$/, ''), config };
    },
  };
}

type Described = Pick<Guest, 'name' | 'status' | 'lock' | 'template' | 'tags'>;

function described(item: Partial<z.output<typeof Current>>): Described {
  const { name, status, lock, tags, template } = item;
  return {
    ...{ name, lock: lock === '' ? undefined : lock, template: template === true, tags: wordsIn(tags) },
    status: runStateOf(status),
  };
}

/** Raw lines come as pairs, because a key may repeat. */
function rawLines(lines: unknown): [string, string][] {
  if (!Array.isArray(lines)) return [];
  return lines.flatMap((pair: unknown) =>
    Array.isArray(pair) ? [[String(pair[0]), String(pair[1])] satisfies [string, string]] : [],
  );
}

/** A machine that is paused has not stopped. */
function runStateOf(status: string | undefined): RunState {
  if (status === 'paused') return 'running';
  return status === 'running' || status === 'stopped' ? status : 'unknown';
}
