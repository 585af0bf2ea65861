/** Real reverse proxies before a gateway: Caddy and nginx, each with a configuration of its own and nothing installed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { underCi } from '../../ci.ts';
import { fetchFrom, publicAddress, publicName } from './remote.ts';

export interface FrontProxy {
  /** Of the proxy itself, by the name that only its clients know. */
  readonly url: URL;
  /** The certificate to trust, and the file that it is in; undefined without TLS. */
  readonly ca: string | undefined;
  readonly caFile: string | undefined;
  /** Bodies, of requests or answers, that wait on its disk. */
  waitingBodies(): Promise<number>;
  close(): Promise<void>;
}

export interface ProxyPlace {
  /** Where the gateway listens. */
  readonly upstream: URL;
  /** Of publicAddress; chosen before, because the gateway must know its URL when it starts. */
  readonly port: number;
}

const programs = {
  caddy: '/usr/bin/caddy',
  nginx: '/usr/sbin/nginx',
  curl: '/usr/bin/curl',
  setpriv: '/usr/bin/setpriv',
};
const readyTimeoutMs = 15_000;
const closeTimeoutMs = 5_000;

/** Handed to node:test: skips with the reason where a program is missing. */
export const withProxies = availability();

function availability(): { skip?: string } {
  const absent = Object.values(programs).find((program) => !existsSync(program));
  if (absent === undefined) return {};
  const reason = `the proxies need ${absent}`;
  // Where every test must run, a skipped one would look like a passed one.
  if (underCi) throw new Error(reason);
  return { skip: reason };
}

/** With `tls` it is its own certificate authority. Throws with its log where it does not answer in time. */
export async function startCaddy({
  upstream,
  port,
  tls,
}: ProxyPlace & { tls: boolean }): Promise<FrontProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'caddy-'));
  const url = new URL(`${tls ? 'https' : 'http'}://${publicName}:${port}`);
  const caFile = join(folder, 'storage/pki/authorities/local/root.crt');
  await writeFile(
    join(folder, 'Caddyfile'),
    `{
  admin off
  skip_install_trust
  auto_https disable_redirects
  storage file_system ${folder}/storage
}
${url.origin} {
  bind ${publicAddress}
  ${tls ? 'tls internal' : ''}
  reverse_proxy ${upstream.host}
}
`,
  );
  return await start({
    url,
    folder,
    argv: [programs.caddy, 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
    caFile: tls ? caFile : undefined,
  });
}

/** What of its settings is about passing on, besides where to. */
const nginxSettings = {
  /** As one sets it up for streams. */
  streaming: `client_max_body_size 0;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`,
  /** It holds back bodies in both directions, speaks HTTP/1.0 to the gateway and tells nothing of the client. */
  usual: 'client_max_body_size 0;',
  /** The same, with its bound of 1 MiB on bodies. */
  untouched: '',
};

/** Throws with its log where it does not answer in time. */
export async function startNginx({
  upstream,
  port,
  settings,
}: ProxyPlace & { settings: keyof typeof nginxSettings }): Promise<FrontProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'));
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await Promise.all(kinds.map((kind) => mkdir(join(folder, kind))));
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off;
user root;
worker_processes 1;
pid ${folder}/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n  ')}
  server {
    listen ${publicAddress}:${port};
    server_name ${publicName};
    location / {
      ${nginxSettings[settings]}
      proxy_pass ${upstream.origin};
    }
  }
}
`,
  );
  return await start({
    url: new URL(`http://${publicName}:${port}`),
    folder,
    argv: [programs.nginx, '-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')],
    caFile: undefined,
  });
}

interface Setup {
  readonly url: URL;
  readonly folder: string;
  readonly argv: readonly string[];
  /** It comes into being with the proxy. */
  readonly caFile: string | undefined;
}

async function start({ url, folder, argv, caFile }: Setup): Promise<FrontProxy> {
  // It must not outlive the tests, even where they are killed.
  const child = spawn(programs.setpriv, ['--pdeathsig', 'TERM', '--', ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  const readCa = () =>
    caFile !== undefined && existsSync(caFile) ? readFileSync(caFile, 'utf8') : undefined;
  const ended = once(child, 'exit');
  const log = text(child.stderr);
  const close = async () => {
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), closeTimeoutMs);
    await ended;
    clearTimeout(killer);
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + readyTimeoutMs;
  while (!(await answers(url, readCa()))) {
    const gone = child.exitCode !== null || child.signalCode !== null;
    if (gone || performance.now() > deadline) {
      await close();
      throw new Error(`no proxy: ${await log}`);
    }
    await pause(25);
  }
  return {
    url,
    ca: readCa(),
    caFile,
    waitingBodies: () => countUnlinked(folder, child.pid),
    close,
  };
}

/** Whatever it answers, so that it does not matter whether the gateway is there yet. */
async function answers(url: URL, ca: string | undefined): Promise<boolean> {
  if (url.protocol === 'https:' && ca === undefined) return false;
  try {
    const response = await fetchFrom({ ca })(new URL('/livez', url), { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}

/** nginx removes the names of such files at once, so only the descriptors of its worker tell of them. */
async function countUnlinked(folder: string, pid: number | undefined): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ');
  let count = 0;
  for (const child of children.filter((word) => word !== '')) {
    for (const fd of await readdir(`/proc/${child}/fd`)) {
      const target = await readlink(`/proc/${child}/fd/${fd}`).catch(() => '');
      if (target.startsWith(`${folder}/`) && target.endsWith(' (deleted)')) count++;
    }
  }
  return count;
}
