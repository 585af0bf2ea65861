/** The REST API as it is configured, and a look now and then at whether it can be used. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { readSettingFile } from '../config/kinds.ts';
import type { Config } from '../config/load.ts';
import { settings } from '../config/schema.ts';
import type { ApiSettings } from '../config/ways.ts';
import type { Log } from '../observe/log.ts';
import { apiPath } from '../pve/api-path.ts';
import { createPve } from '../pve/client.ts';
import type { Pve } from '../pve/pve.ts';
import type { Trust } from '../pve/trust.ts';

export interface Api {
  readonly pve: Pve;
  /** What keeps an API that answers from being of any use. */
  problem(): string | undefined;
  close(): Promise<void>;
}

/** By path; all that is read of it is whether there is any. */
const Rights = z.record(z.string(), z.unknown());

/** How often the API is tried while it cannot be used. */
const retryMs = 15_000;

/** Undefined where no token is set. Looks at once whether the API answers, without anybody waiting for it. */
export function createApi(
  config: Config,
  { log, onRequest }: { log: Log; onRequest: (outcome: string) => void },
): Api | undefined {
  const { api } = config;
  if (api === undefined) return undefined;
  const { endpoints } = api;
  const pve = createPve({
    ...{ endpoints, token: tokenOf(api), trust: trustOf(config, api) },
    onCall: (_host, problem) => onRequest(problem ?? 'ok'),
  });
  const watching = watch(pve, log);
  return {
    pve,
    problem: watching.problem,
    async close() {
      watching.close();
      await pve.close();
    },
  };
}

function tokenOf({ tokenId, secret, secretFile }: ApiSettings): () => string {
  if (secretFile === undefined) return () => `${tokenId}=${secret}`;
  return () => `${tokenId}=${readSettingFile(secretFile).trim()}`;
}

/** SECURITY: a fingerprint is the narrowest trust, so it counts before everything else. */
function trustOf(config: Config, { fingerprintFile }: ApiSettings): Trust {
  const { PROXMOX_TLS_FINGERPRINT: pins, PROXMOX_CA_FILE: caFile } = config;
  const { parse } = settings.PROXMOX_TLS_FINGERPRINT;
  if (pins.length > 0)
    return {
      kind: 'pins',
      fingerprints:
        fingerprintFile === undefined ? () => pins : () => parse(readSettingFile(fingerprintFile)),
    };
  if (!config.PROXMOX_VERIFY_SSL) return { kind: 'off' };
  if (caFile !== undefined) return { kind: 'ca', text: () => readFileSync(caFile, 'utf8') };
  return { kind: 'system' };
}

/** What keeps a token that is accepted from being of any use. */
const noRights =
  'the API token has no rights: give it a role (pveum acl modify), or make it without privilege separation';

function watch(pve: Pve, log: Log): { problem(): string | undefined; close(): void } {
  const stop = new AbortController();
  let told: string | undefined;
  let looking = false;
  let powerless = false;

  const look = async () => {
    if (looking) return;
    looking = true;
    const request = { method: 'GET', path: apiPath`/access/permissions`, signal: stop.signal } as const;
    const rights = await pve
      .request({ ...request, action: 'tell its rights' }, Rights)
      .catch(() => undefined);
    looking = false;
    if (rights !== undefined) powerless = Object.keys(rights).length === 0;
    const { reachable, problem = 'unknown' } = pve.status();
    const state = reachable ? (powerless ? noRights : 'reachable') : problem;
    if (state === told || stop.signal.aborted) return;
    told = state;
    if (!reachable) log.warn('the REST API cannot be used', { code: problem });
    else if (powerless) log.warn(noRights);
    else log.info('the REST API answers');
  };
  void look();
  const timer = setInterval(() => {
    if (powerless || !pve.status().reachable) void look();
  }, retryMs).unref();
  return {
    problem: () => (powerless ? noRights : undefined),
    close() {
      stop.abort();
      clearInterval(timer);
    },
  };
}
