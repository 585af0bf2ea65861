/** The description of the REST API as the connected node serves it: fetched when it is needed, kept by version. */

import { z } from 'zod';
import { untilAborted } from '../../base/interruption.ts';
import { apiPath } from '../api-path.ts';
import type { Pve } from '../pve.ts';
import { parseApiSchema } from './parse.ts';
import { type ApiDirectory, createApiDirectory } from './search.ts';

export interface DescribedApi extends ApiDirectory {
  /** Of Proxmox VE: 9.2.11 */
  readonly version: string;
}

export interface ApiDoc {
  /** Throws UNEXPECTED_ANSWER, CANCELLED_EARLY and what the API itself throws. */
  get(signal: AbortSignal): Promise<DescribedApi>;
}

/** The real one has 1.4 MB, 4.2 MB where it is printed for people. */
const maxFileBytes = 16 * 1024 * 1024;
const loadTimeoutMs = 60_000;
const freshMs = 5 * 60_000;

const Version = z.object({ version: z.string().max(40), repoid: z.string().max(80).optional() });

export function createApiDoc({ pve, now = Date.now }: { pve: Pve; now?: () => number }): ApiDoc {
  let kept: { readonly api: DescribedApi; readonly key: string } | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<DescribedApi> | undefined;

  const load = async (): Promise<DescribedApi> => {
    const signal = AbortSignal.timeout(loadTimeoutMs);
    const action = 'tell its version';
    const { version, repoid = '' } = await pve.request(
      { method: 'GET', path: apiPath`/version`, signal, action },
      Version,
    );
    const key = `${version} ${repoid}`;
    if (kept?.key !== key) {
      const file = await pve.file('/pve-docs/api-viewer/apidoc.js', { signal, maxBytes: maxFileBytes });
      kept = { api: { version, ...createApiDirectory(await parseApiSchema(file)) }, key };
    }
    askedAt = now();
    return kept.api;
  };

  return {
    async get(signal) {
      if (kept !== undefined && now() - askedAt < freshMs) return kept.api;
      loading ??= load().finally(() => {
        loading = undefined;
      });
      return await untilAborted(loading, signal);
    },
  };
}
