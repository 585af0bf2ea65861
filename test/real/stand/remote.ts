/** Clients that know the gateway by its public name alone: MCP of both eras, and curl. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from '@modelcontextprotocol/client';
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';

/** Known to no resolver: whoever comes by this name was told where it is. */
export const publicName = 'mcp.lan';

/** Where proxies listen. Nothing else of this machine uses it, so that a port chosen there remains free. */
export const publicAddress = '127.0.0.3';

/** Where clients come from. */
export const remoteAddress = '127.0.0.2';

export type Era = 'legacy' | 'modern';

export interface Remote {
  call(
    name: string,
    args: Record<string, unknown>,
    options?: { signal?: AbortSignal; onprogress?: (progress: { message?: string | undefined }) => void },
  ): Promise<Readonly<Record<string, unknown>>>;
  close(): Promise<void>;
}

type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

const lookup: LookupFunction = (_name, options, found) => {
  if (options.all === true) found(null, [{ address: publicAddress, family: 4 }]);
  else found(null, publicAddress, 4);
};

/** Node's own fetch takes neither a resolver nor an address to come from. */
export function fetchFrom({ ca }: { ca: string | undefined }): Fetch {
  return async (url, init = {}) => {
    const { method = 'GET', headers, body, signal } = init;
    const send = new URL(url).protocol === 'https:' ? requestHttps : requestHttp;
    const request = send(url, {
      method,
      headers: Object.fromEntries(new Headers(headers)),
      lookup,
      localAddress: remoteAddress,
      ...(ca !== undefined && { ca }),
      ...(signal && { signal }),
    });
    request.end(typeof body === 'string' ? body : undefined);
    const [answer] = await once(request, 'response');
    // What an abort does to a body that is being read is for its reader to hear.
    request.on('error', () => {});
    const empty = [204, 205, 304].includes(answer.statusCode);
    return new Response(empty ? null : (Readable.toWeb(answer) as ReadableStream), {
      status: answer.statusCode,
      headers: new Headers(
        Object.entries(answer.headers as Record<string, string | string[]>).map(([name, value]) => [
          name,
          String(value),
        ]),
      ),
    });
  };
}

export async function connectRemote(input: {
  era: Era;
  endpoint: URL;
  ca: string | undefined;
  headers: Record<string, string>;
}): Promise<Remote> {
  const { era, endpoint, ca, headers } = input;
  const options = { fetch: fetchFrom({ ca }), requestInit: { headers } };
  const identity = { name: `${era}-remote`, version: '1' };
  if (era === 'legacy') {
    const client = new LegacyClient(identity);
    // Its declarations were not written for exactOptionalPropertyTypes.
    await client.connect(new LegacyTransport(endpoint, options) as Transport);
    return {
      call: (name, args, how) => client.callTool({ name, arguments: args }, undefined, how),
      close: () => client.close(),
    };
  }
  const client = new ModernClient(identity, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new ModernTransport(endpoint, options));
  return {
    call: (name, args, how) => client.callTool({ name, arguments: args }, how),
    close: () => client.close(),
  };
}

export interface Curl {
  readonly child: ChildProcessWithoutNullStreams;
  /** Its exit code, null where it was killed, and what the server said. */
  readonly ended: Promise<{ code: number | null; status: number; body: string; said: string }>;
}

/** Standard output is the answer's body, so `-o` gives an empty one. */
export function curl(
  args: readonly string[],
  { url, caFile }: { url: string; caFile: string | undefined },
): Curl {
  const { hostname, port } = new URL(url);
  const trust = caFile === undefined ? [] : ['--cacert', caFile];
  const child = spawn('/usr/bin/curl', [
    ...['--disable', '--silent', '--show-error', '--noproxy', '*', '--max-time', '60'],
    ...['--interface', remoteAddress, '--resolve', `${hostname}:${port}:${publicAddress}`],
    ...['--write-out', '%{stderr}\n%{http_code}', ...trust, ...args, url],
  ]);
  child.stdin.on('error', () => {});
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([body, said]) => ({
      code: child.exitCode,
      status: Number(said.slice(said.lastIndexOf('\n') + 1)),
      body,
      said,
    }),
  );
  return { child, ended };
}
