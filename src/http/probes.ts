/** What health checks and orchestrators ask. */
import type { RequestHandler } from 'express';

export interface Vitals {
  readonly ssh: () => { readonly connected: boolean; readonly problem?: string };
  /** Every reason for which calls cannot be served now. */
  readonly troubles: () => Promise<readonly string[]>;
}

/** Always 200; `status` tells the truth. */
export function health({ ssh, troubles }: Vitals): RequestHandler {
  return async (_request, response) => {
    const { connected } = ssh();
    const reasons = await troubles();
    response.json({
      status: connected && reasons.length === 0 ? 'healthy' : 'degraded',
      service: 'proxmox-mcp-gateway',
      ssh_connected: connected,
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
