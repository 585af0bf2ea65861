/** The API hosts of one cluster: whichever answered last is asked first, and one that cannot be reached rests. */
import { type Address, connect } from './connect.ts';
import { Connections } from './exchange.ts';
import { createCourt, type Trust } from './trust.ts';

export interface Endpoint {
  readonly address: Address;
  /** For people: without the port where that is the usual one. */
  readonly name: string;
  readonly connections: Connections;
}

export interface Endpoints {
  /** All of them, the most promising first; `avoid` comes after the others that do not rest. */
  order(avoid?: Endpoint): readonly Endpoint[];
  answered(endpoint: Endpoint): void;
  notReached(endpoint: Endpoint): void;
  close(): void;
}

/** While it rests it is asked only where no other is left, and may not keep the call waiting. */
const restingConnectMs = 2_000;
const restMs = 500;
const maxRestMs = 10_000;

interface State extends Endpoint {
  failures: number;
  restsUntil: number;
}

export function createEndpoints(input: {
  addresses: readonly Address[];
  trust: Trust;
  /** Until the certificate was accepted. */
  connectMs: number;
  /** How long a connection is kept for the next call. */
  idleMs: number;
}): Endpoints {
  const { addresses, trust, connectMs, idleMs } = input;
  const court = createCourt(trust);
  const resting = ({ restsUntil }: State) => performance.now() < restsUntil;
  const states = addresses.map((address): State => {
    const open = () =>
      connect(address, {
        court,
        timeoutMs: Math.min(connectMs, resting(state) ? restingConnectMs : Infinity),
      });
    const state: State = {
      address,
      name: nameOf(address),
      connections: new Connections({ open, idleMs }),
      failures: 0,
      restsUntil: 0,
    };
    return state;
  });
  let latest: Endpoint | undefined;
  const stateOf = (endpoint: Endpoint) => states.find((state) => state === endpoint);

  return {
    order(avoid) {
      const rank = (state: State) =>
        (resting(state) ? 4 : 0) + (state === avoid ? 2 : 0) + (state === latest ? 0 : 1);
      return states.toSorted((one, other) => rank(one) - rank(other));
    },
    answered(endpoint) {
      latest = endpoint;
      const state = stateOf(endpoint);
      if (state !== undefined) Object.assign(state, { failures: 0, restsUntil: 0 });
    },
    notReached(endpoint) {
      const state = stateOf(endpoint);
      if (state === undefined) return;
      const full = Math.min(maxRestMs, restMs * 2 ** Math.min(state.failures++, 10));
      state.restsUntil = performance.now() + full / 2 + (Math.random() * full) / 2;
    },
    close() {
      for (const { connections } of states) connections.destroy();
    },
  };
}

function nameOf({ host, port }: Address): string {
  if (port === 8006) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
