/** Bare connections to the gateway: bytes exactly as given, and whatever comes back. */
import { connect, type Socket } from 'node:net';
import { eventually, token } from './harness.ts';

export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far, a byte a character. */
  readonly received: () => string;
  /** Whether the other side, or a fault, has ended the connection. */
  readonly closed: () => boolean;
  send(text: string | Buffer): void;
  /** What was received by the time the connection was closed. */
  untilClosed(waitMs?: number): Promise<string>;
  /** What was received as soon as it matches. */
  until(pattern: RegExp, waitMs?: number): Promise<string>;
}

export async function open(port: number | string): Promise<RawConnection> {
  const socket = connect(Number(port), '127.0.0.1');
  let text = '';
  let closed = false;
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  // A reset is one of the ways in which a connection ends.
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  await eventually(() => (socket.connecting ? undefined : true));
  return {
    socket,
    received: () => text,
    closed: () => closed,
    send: (bytes) => void socket.write(bytes),
    untilClosed: (waitMs) => eventually(() => (closed ? text : undefined), waitMs),
    until: (pattern, waitMs) => eventually(() => (pattern.test(text) ? text : undefined), waitMs),
  };
}

/** Sends bytes as they are and reads until the other side closes, which the bytes must ask for. */
export async function exchange(
  port: number | string,
  bytes: string | Buffer,
  waitMs?: number,
): Promise<string> {
  const connection = await open(port);
  try {
    connection.send(bytes);
    return await connection.untilClosed(waitMs);
  } finally {
    connection.socket.destroy();
  }
}

/** The lines of a request's head; `headers` come last, and an undefined one leaves a usual one out. */
export function head(start: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const usual: Record<string, string | undefined> = {
    Host: '127.0.0.1',
    Authorization: `Bearer ${token}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...headers,
  };
  const lines = Object.entries(usual).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return `${[start, ...lines].join('\r\n')}\r\n\r\n`;
}

/** A whole POST to the endpoint. */
export function post(body: string, headers: Readonly<Record<string, string | undefined>> = {}): string {
  const length = String(Buffer.byteLength(body));
  return head('POST /mcp HTTP/1.1', { 'Content-Length': length, Connection: 'close', ...headers }) + body;
}

/** The statuses of all answers on a connection, in their order. */
export function statusesOf(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status));
}

/** The body of the first answer, its chunks put together. */
export function bodyOf(received: string): string {
  const at = received.indexOf('\r\n\r\n') + 4;
  let rest = received.slice(at);
  if (!/^transfer-encoding: chunked/im.test(received.slice(0, at)))
    return Buffer.from(rest, 'latin1').toString();
  let body = '';
  for (;;) {
    const [, size = '0'] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? [];
    const length = Number.parseInt(size, 16);
    if (length === 0) return Buffer.from(body, 'latin1').toString();
    body += rest.slice(size.length + 2, size.length + 2 + length);
    rest = rest.slice(size.length + 2 + length + 2);
  }
}

export const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});

const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Body and headers of one call in the form of 2026-07-28, which needs no session. */
export function modernCall(
  name: string,
  args: unknown,
  id: number | string = 1,
): { body: string; headers: Record<string, string> } {
  const params = { name, arguments: args, _meta: modernMeta };
  return {
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }),
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': name,
    },
  };
}

export const execTool = 'proxmox_container_exec_command';
