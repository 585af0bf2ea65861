/** What health checks and orchestrators ask. */
import type { RequestHandler } from 'express';

export interface Vitals {
  /** Undefined where SSH is not configured. */
  readonly ssh: () => { readonly connected: boolean } | undefined;
  /** Undefined where the REST API is not configured. */
  readonly api: () => { readonly reachable: boolean } | undefined;
  /** Every reason for which calls cannot be served now. */
  readonly troubles: () => Promise<readonly string[]>;
}

/** Always 200; `status` tells the truth. */
export function health({ ssh, api, troubles }: Vitals): RequestHandler {
  return async (_request, response) => {
    const [host, rest] = [ssh(), api()];
    const reasons = await troubles();
    const well = host?.connected !== false && rest?.reachable !== false && reasons.length === 0;
    response.json({
      status: well ? 'healthy' : 'degraded',
      service: 'proxmox-mcp-gateway',
      ssh_connected: host?.connected ?? false,
      ...(rest !== undefined && { api_connected: rest.reachable }),
      ...(reasons.length > 0 && { reasons }),
    });
  };
}

/** The process answers. */
export const livez: RequestHandler = (_request, response) => {
  response.json({ status: 'alive' });
};

export function readyz({ troubles }: Vitals): RequestHandler {
  return async (_request, response) => {
    const reasons = await troubles();
    const ready = reasons.length === 0;
    response.status(ready ? 200 : 503).json(ready ? { status: 'ready' } : { status: 'unready', reasons });
  };
}
