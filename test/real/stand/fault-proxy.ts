/** A TCP link between the gateway and sshd that fails when it is told to. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { token } from '../../gateway/harness.ts';
import type { Sshd } from './sshd.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const directions = ['to-host', 'to-gateway'] as const;
type Direction = (typeof directions)[number];

/** FIN, RST, silence that lasts, or one flipped bit. */
export type Fault = 'cut' | 'reset' | 'freeze' | 'corrupt';

type Failing = Readonly<{ received: number; fault: Fault }>;

/** What befalls every link, read anew for each chunk. */
interface Weather {
  delayMs: number;
  chopBytes: number;
  readonly frozen: Set<Direction>;
  /** Settles at the next thaw. */
  thawed: PromiseWithResolvers<void>;
}

/** Unsent bytes in one direction above which nothing more is read. */
const maxUnsentBytes = 1024 * 1024;

/** On a free port of 127.0.0.1 unless told otherwise. Without a target, connections wait for leadTo(). */
export async function startFaultProxy(target?: Endpoint, at: Partial<Endpoint> = {}): Promise<FaultProxy> {
  const proxy = new FaultProxy(at.host ?? '127.0.0.1', at.port ?? 0);
  await proxy.accept();
  if (target !== undefined) proxy.leadTo(target);
  return proxy;
}

/** Settings of a gateway process that reaches sshd over the link. */
export function settingsOver(link: Endpoint, sshd: Sshd, stateDir: string): Record<string, string> {
  const ssh = { HOST: link.host, SSH_PORT: `${link.port}`, SSH_HOST_KEY: sshd.fingerprint };
  const ports = { SERVER_PORT: '0', METRICS_PORT: '0' };
  const credentials = { SSH_KEY: sshd.keyFile, MCP_AUTH_TOKEN: token };
  return { I_ACCEPT_RISKS: 'true', ...ssh, ...ports, ...credentials, STATE_DIR: stateDir };
}

export class FaultProxy implements Endpoint {
  readonly host: string;
  port: number;
  /** Connections taken since the start; those that were refused are not among them. */
  taken = 0;
  #server: Server | undefined;
  #target = Promise.withResolvers<Endpoint>();
  #failing: Failing | undefined;
  #latest: Link | undefined;
  readonly #links = new Set<Link>();
  readonly #weather: Weather = {
    delayMs: 0,
    chopBytes: Number.POSITIVE_INFINITY,
    frozen: new Set(),
    thawed: Promise.withResolvers(),
  };

  constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }

  /** Connections that the gateway has not let go of. */
  get connections(): number {
    return [...this.#links].filter(({ leftByGateway }) => !leftByGateway).length;
  }

  /** Bytes that the latest connection has brought to the gateway. */
  get received(): number {
    return this.#latest?.received ?? 0;
  }

  /** Ends every connection in an orderly way, with FIN to both sides. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Ends every connection with RST to both sides. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /** Half-open: takes connections and data and passes nothing on, not even an end. */
  freeze(direction?: Direction): void {
    for (const way of direction === undefined ? directions : [direction]) this.#weather.frozen.add(way);
  }

  thaw(): void {
    this.#weather.frozen.clear();
    this.#weather.thawed.resolve();
    this.#weather.thawed = Promise.withResolvers();
  }

  /** Milliseconds that everything takes from now on, each way. */
  delay(ms: number): void {
    this.#weather.delayMs = ms;
  }

  /** At most so many bytes in one packet, each way; Infinity passes data as it comes. */
  chop(bytes: number): void {
    this.#weather.chopBytes = bytes;
  }

  /** Flips one bit of what next goes to the gateway. */
  corrupt(): void {
    for (const link of this.#links) link.corrupt();
  }

  /** Puts bytes of its own among those that go to the gateway. */
  inject(bytes: Buffer): void {
    for (const link of this.#links) link.inject(bytes);
  }

  /** The fault befalls each new connection once it has brought so many bytes to the gateway; undefined: none. */
  failAt(received: number | undefined, fault: Fault = 'cut'): void {
    this.#failing = received === undefined ? undefined : { received, fault };
  }

  /** Takes connections, after refuse() again on the same port. */
  async accept(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void this.#take(socket));
    server.listen(this.port, this.host);
    await once(server, 'listening');
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Nobody listens: the machine itself refuses connections. Those that stand go on. */
  async refuse(): Promise<void> {
    this.#server?.close();
    // Whoever connects from now on must find nobody.
    await turn();
  }

  /** Where new connections lead. */
  leadTo(target: Endpoint): void {
    this.#target.resolve(target);
    this.#target = Promise.withResolvers();
    this.#target.resolve(target);
  }

  async close(): Promise<void> {
    this.reset();
    await this.refuse();
  }

  async #take(gateway: Socket): Promise<void> {
    this.taken++;
    gateway.on('error', () => {});
    const { host, port } = await this.#target.promise;
    const onward = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const link = new Link(gateway, onward, this.#weather, this.#failing);
    this.#latest = link;
    this.#links.add(link);
    for (const socket of [gateway, onward])
      socket.once('close', () => gateway.destroyed && onward.destroyed && this.#links.delete(link));
  }
}

/** One connection of the gateway and the one that leads on to the host. */
class Link {
  received = 0;
  leftByGateway = false;
  readonly #gateway: Socket;
  readonly #host: Socket;
  readonly #weather: Weather;
  readonly #failing: Failing | undefined;
  #over = false;
  #silent = false;
  #spoilsNext = false;

  constructor(gateway: Socket, host: Socket, weather: Weather, failing: Failing | undefined) {
    this.#gateway = gateway;
    this.#host = host;
    this.#weather = weather;
    this.#failing = failing;
    for (const left of ['end', 'error', 'close'])
      gateway.once(left, () => {
        this.leftByGateway = true;
      });
    this.#carry('to-host', gateway, host);
    this.#carry('to-gateway', host, gateway);
    if (failing?.received === 0) this.#fail(failing.fault);
  }

  cut(): void {
    this.#over = true;
    for (const socket of [this.#gateway, this.#host]) {
      socket.end();
      socket.resume();
    }
  }

  reset(): void {
    this.#over = true;
    // libuv does not reset a socket that was told to end, and Node then never lets go of it.
    for (const socket of [this.#gateway, this.#host])
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
  }

  corrupt(): void {
    this.#spoilsNext = true;
  }

  inject(bytes: Buffer): void {
    this.#gateway.write(bytes);
  }

  #carry(direction: Direction, from: Socket, to: Socket): void {
    let sending = Promise.resolve();
    let unsentBytes = 0;
    from.on('data', (chunk) => {
      const due = performance.now() + this.#weather.delayMs;
      unsentBytes += chunk.length;
      if (unsentBytes > maxUnsentBytes) from.pause();
      sending = sending.then(async () => {
        await this.#wait(direction, due);
        await this.#send(direction, to, chunk);
        unsentBytes -= chunk.length;
        if (unsentBytes <= maxUnsentBytes) from.resume();
      });
    });
    // What ends one side ends the other when its turn has come, behind the data and not while all is silent.
    from.once('end', () => {
      sending = sending.then(() => this.#wait(direction, 0)).then(() => void (this.#over || to.end()));
    });
    from.on('error', () => {
      sending = sending.then(() => this.#wait(direction, 0)).then(() => this.reset());
    });
  }

  async #wait(direction: Direction, due: number): Promise<void> {
    const early = due - performance.now();
    if (early > 0) await pause(early);
    while (!this.#over && (this.#silent || this.#weather.frozen.has(direction)))
      await this.#weather.thawed.promise;
  }

  async #send(direction: Direction, to: Socket, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#over; ) {
      const piece = chunk.subarray(at, at + Math.min(this.#weather.chopBytes, this.#untilFailure(direction)));
      at += piece.length;
      if (direction === 'to-gateway' && this.#spoilsNext) flipBit(piece);
      if (direction === 'to-gateway') this.#spoilsNext = false;
      if (!to.write(piece)) await drained(to);
      // Each piece is a packet of its own only where the receiver can run between two.
      else if (Number.isFinite(this.#weather.chopBytes)) await turn();
      if (direction === 'to-gateway') await this.#count(piece.length);
    }
  }

  #untilFailure(direction: Direction): number {
    const left = (this.#failing?.received ?? 0) - this.received;
    return direction === 'to-gateway' && left > 0 ? left : Number.POSITIVE_INFINITY;
  }

  async #count(bytes: number): Promise<void> {
    this.received += bytes;
    if (this.received !== this.#failing?.received) return;
    this.#fail(this.#failing.fault);
    await this.#wait('to-gateway', 0);
  }

  #fail(fault: Fault): void {
    switch (fault) {
      case 'cut':
      case 'reset':
      case 'corrupt':
        this[fault]();
        break;
      case 'freeze':
        this.#silent = true;
    }
  }
}

/** Past the length of the first SSH packet among the bytes and in front of its end: none of them counts. */
function flipBit(bytes: Buffer): void {
  const at = Math.min(8, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const go = () => resolve(void socket.off('drain', go).off('close', go));
    socket.on('drain', go).on('close', go);
  });
}
