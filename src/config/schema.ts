/** Every setting, described once: the loader, the README's table and stack.env all come from here. */
import { isIP } from 'node:net';
import { toolsets } from '../base/toolsets.ts';
import { fingerprints, hostsAndPorts, httpUrl, nodeAddresses } from './address-kinds.ts';
import {
  absolutePath,
  flag,
  hostDirectory,
  integer,
  list,
  oneOf,
  pathRules,
  readableFile,
  type Setting,
  text,
  textOr,
  tokens,
  vmidRanges,
} from './kinds.ts';

export const groups = {
  'The host': {
    I_ACCEPT_RISKS: flag({
      about:
        'Must be `true`, or the gateway does not start: whoever holds a token is root in the allowed containers.',
    }),
    HOST: text({
      about:
        'Name or address of the Proxmox VE host. Required, unless commands run locally or `PROXMOX_HOST` is set.',
      aliases: ['SSH_HOST'],
    }),
    SSH_PORT: integer({ min: 1, max: 65535, fallback: 22 }, { about: 'Port of its SSH server.' }),
    SSH_USERNAME: textOr('root', { about: 'SSH user.', aliases: ['SSH_USER'] }),
    SSH_KEY: readableFile({
      about: 'Path of the private key; wins over the password. Read anew at every connect.',
      aliases: ['SSH_KEY_FILE', 'SSH_KEY_PATH'],
    }),
    SSH_KEY_PASSPHRASE: text({ about: 'Passphrase of that key.', secret: true }),
    SSH_PASSWORD: text({ about: 'Password of the SSH user.', secret: true }),
    SSH_HOST_KEY: list(
      (item) => (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(item) ? undefined : 'is not of the form SHA256:…'),
      { about: "Fingerprints of the host's SSH keys, as `ssh-keygen -lf` prints them (`SHA256:…`)." },
    ),
    SSH_KNOWN_HOSTS: readableFile({ about: 'Path of a known_hosts file, instead of fingerprints.' }),
    SSH_TRUST_ON_FIRST_USE: flag({
      about: 'Accept the key seen at the first connect and remember it in `STATE_DIR`.',
    }),
    SSH_SUDO: flag({ about: 'Run everything through `sudo -n`, for an SSH user that is not root.' }),
    SSH_NODES: nodeAddresses({
      about:
        'How the other nodes of a cluster are reached, for example `pve2=10.0.0.12,pve3=pve3.lan:2222`. Without it, at the addresses that the cluster itself names.',
    }),
    ENABLE_SSH: flag({ about: 'Use SSH where a key or password is set.', fallback: true }),
    ENABLE_LOCAL_EXECUTION: flag({ about: 'The gateway runs on the Proxmox VE host itself: no SSH.' }),
    CONTAINER_DRIVER: oneOf(['auto', 'lxc-attach', 'pct'], 'auto', {
      about:
        'How commands enter a container. `auto` takes the fast `lxc-attach` where the host has it, else `pct`.',
    }),
  },
  'The REST API': {
    PROXMOX_HOST: hostsAndPorts({
      about:
        'Nodes whose REST API is used, as `host` or `host:port`; further ones stand in when the first fails. `HOST` without it.',
    }),
    PROXMOX_PORT: integer({ min: 1, max: 65535, fallback: 8006 }, { about: 'Port of the REST API.' }),
    PROXMOX_TOKEN_ID: text({ about: 'API token, as `user@realm!name`.', secret: true }),
    PROXMOX_USER: text({ about: 'User of the token, where `PROXMOX_TOKEN_NAME` is set.', secret: true }),
    PROXMOX_TOKEN_NAME: text({ about: 'Name of the token of `PROXMOX_USER`.', secret: true }),
    PROXMOX_TOKEN_SECRET: text({
      about: 'Secret of the token. From a file, a change is taken up when the old one is refused.',
      aliases: ['PROXMOX_TOKEN_VALUE'],
      secret: true,
    }),
    PROXMOX_TLS_FINGERPRINT: fingerprints({
      about:
        "SHA-256 fingerprints of the API's certificates, as `openssl x509 -noout -fingerprint -sha256` and Proxmox VE print them. From a file, a change is taken up at the next connect.",
      secret: true,
    }),
    PROXMOX_CA_FILE: readableFile({
      about:
        "Path of the CA certificate, instead of the system's: a copy of `/etc/pve/pve-root-ca.pem`. Read anew at every connect.",
    }),
    PROXMOX_VERIFY_SSL: flag({
      about: 'Whether certificates are checked. Without it anyone on the way can take the token.',
      fallback: true,
    }),
    ENABLE_PROXMOX_API: flag({ about: 'Use the REST API where a token is set.', fallback: true }),
  },
  'Clients and network': {
    MCP_AUTH_TOKEN: tokens({
      about:
        'Bearer tokens, one a line, `name:token` or bare. From a file, a change is taken up within seconds.',
    }),
    ALLOW_UNAUTHENTICATED: flag({ about: 'Serve without a token; only on a loopback `SERVER_HOST`.' }),
    SERVER_HOST: textOr('127.0.0.1', {
      about: 'Address to listen on; 0.0.0.0 in the image.',
      composed: true,
    }),
    SERVER_PORT: integer(
      { min: 0, max: 65535, fallback: 8000 },
      {
        about:
          'Port to listen on; 0 takes a free one. With compose: the published port, from the shell or `.env`.',
      },
    ),
    ALLOWED_HOSTS: list(hostNameProblem, {
      about: 'Further host names by which clients reach the gateway, such as `mcp.lan`.',
    }),
    ALLOWED_ORIGINS: list(originProblem, {
      about: 'Origins of web pages that may call the gateway, such as `https://app.lan`.',
    }),
    TRUSTED_PROXIES: list(addressProblem, {
      about: 'Addresses or networks (CIDR) of reverse proxies whose X-Forwarded-For is believed.',
    }),
    PUBLIC_URL: httpUrl({
      about:
        'Address by which clients reach the gateway, such as `https://mcp.lan`: one-time URLs begin with it, and its host is allowed. Without it they name `SERVER_HOST` and `SERVER_PORT`. With compose: from the shell or `.env`.',
      composed: true,
    }),
    METRICS_PORT: integer(
      { min: 0, max: 65535, fallback: 9464 },
      { about: 'Port of the Prometheus metrics; 0 = off.' },
    ),
    METRICS_HOST: textOr('127.0.0.1', {
      about: 'Address of the metrics listener; 0.0.0.0 in the image.',
      composed: true,
    }),
  },
  'What is allowed': {
    TOOLSETS: list(
      (item) =>
        ['all', 'default', ...toolsets].includes(item)
          ? undefined
          : `is not a toolset; there are ${toolsets.join(', ')}, all and default`,
      {
        about: `Toolsets to offer: ${toolsets.map((name) => `\`${name}\``).join(', ')}; \`default\` is what most people use of all of them, \`all\` everything.`,
        shown: 'default',
      },
    ),
    READ_ONLY: flag({ about: 'Offer only tools that change nothing.' }),
    ENABLE_HOST_EXEC: flag({ about: 'Offer commands on the Proxmox VE host itself.' }),
    ENABLE_DESTRUCTIVE: flag({
      about:
        'Offer what cannot be undone: delete, roll back, restore. A client that can ask its user then does.',
      aliases: ['PROXMOX_ALLOW_ELEVATED'],
    }),
    REQUIRE_CONFIRMATION: flag({
      about: 'Refuse what cannot be undone to clients that cannot ask their user.',
    }),
    ALLOWED_VMIDS: vmidRanges({ about: 'Only these guests, for example `100,200-299`.', shown: 'all' }),
    DENIED_VMIDS: vmidRanges({ about: 'Never these guests; wins over `ALLOWED_VMIDS`.' }),
    ALLOWED_PATHS: pathRules({
      about:
        'Only files in these directories, wherever they really are: `/srv`, `host:/var/lib/vz/template`, `container:/etc`.',
      shown: 'all',
    }),
    DENIED_PATHS: pathRules({
      about:
        'Never files in these directories; wins over `ALLOWED_PATHS`. `host:/etc/pve` is denied unless `ALLOWED_PATHS` names it.',
    }),
    ALLOW_SETUID: flag({ about: 'Let uploads make files setuid or setgid.' }),
    ENABLE_DANGEROUS_COMMANDS: flag({
      about:
        'Switch off the advisory list of commands such as `rm -rf /`. It prevents accidents, not intent: a shell offers endless ways around it.',
    }),
  },
  Files: {
    MAX_FILE_SIZE: integer(
      { min: 1, max: 1_099_511_627_776, fallback: 10_485_760 },
      { about: 'Bytes of one file, whichever way it is transferred.' },
    ),
    INLINE_MAX_BYTES: integer(
      { min: 1, max: 2_097_152, fallback: 1_048_576 },
      { about: 'Bytes of a file inside a call or its result; above, `transfer: "url"` is the way.' },
    ),
    TRANSFER_ROUTE: oneOf(['staging', 'stream'], 'staging', {
      about:
        'How files get into containers and out of them: by `pct push` and `pull` through a private file on the host, or streamed by a process in the container.',
    }),
    TRANSFER_TIMEOUT: integer(
      { min: 1, max: 86_400, fallback: 900 },
      { about: 'Seconds that a transfer may take.' },
    ),
    TRANSFER_URL_TTL: integer(
      { min: 1, max: 86_400, fallback: 900 },
      { about: 'Seconds for which a one-time URL can be used.' },
    ),
    DOWNLOAD_URLS: list(downloadSourceProblem, {
      about:
        'Prefixes of URLs from which storages may download, such as `https://cloud.debian.org/images`; a node follows where they redirect to. None without it.',
    }),
    MAX_TRANSFERS: integer(
      { min: 1, max: 16, fallback: 8 },
      { about: 'Transfers that one token may have under way at a time, of 16 in all.' },
    ),
    TRANSFER_DIR: absolutePath({
      about: "The gateway's own folder for `local_path`; nothing else of its disk can be named.",
      shown: 'STATE_DIR/transfers',
      composed: true,
    }),
    STAGING_DIR: hostDirectory('/var/tmp', { about: 'Directory on the host for files on their way.' }),
  },
  'Limits and records': {
    CHARACTER_LIMIT: integer(
      { min: 1000, max: 1_000_000, fallback: 25_000 },
      { about: 'Characters of output a call returns; head and tail are kept.' },
    ),
    COMMAND_TIMEOUT_MAX: integer(
      { min: 1, max: 86_400, fallback: 300 },
      { about: 'Longest timeout, in seconds, that a call may ask for.' },
    ),
    STATE_DIR: absolutePath({
      about: 'Where the gateway keeps its session key, known hosts and audit log.',
      shown: '~/.local/state/proxmox-mcp-gateway',
      composed: true,
    }),
    AUDIT_FILE: absolutePath({ about: 'The audit log, JSON lines.', shown: 'STATE_DIR/audit.jsonl' }),
    LOG_LEVEL: oneOf(['error', 'warn', 'info', 'debug'], 'info', {
      about: 'Least severe entries to log (to stderr, JSON lines).',
    }),
  },
} as const;

export const settings = {
  ...groups['The host'],
  ...groups['The REST API'],
  ...groups['Clients and network'],
  ...groups['What is allowed'],
  ...groups.Files,
  ...groups['Limits and records'],
};

export type SettingName = keyof typeof settings;
export type Values = {
  readonly [N in SettingName]: (typeof settings)[N] extends Setting<infer T> ? T : never;
};

function downloadSourceProblem(item: string): string | undefined {
  const url = URL.canParse(item) ? new URL(item) : undefined;
  const plain = url?.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return plain && /^https?:$/.test(url?.protocol ?? '')
    ? undefined
    : 'is not an address such as https://cloud.debian.org/images';
}

function hostNameProblem(item: string): string | undefined {
  return /^(\*|[a-z0-9_]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i.test(item)
    ? undefined
    : 'is not a host name without scheme and port';
}

function originProblem(item: string): string | undefined {
  return URL.canParse(item) && new URL(item).origin === item.toLowerCase().replace(/\/$/, '')
    ? undefined
    : 'is not an origin such as https://app.lan';
}

function addressProblem(item: string): string | undefined {
  const [address = '', prefix, rest] = item.split('/');
  const bits = { 4: 32, 6: 128, 0: -1 }[isIP(address)] ?? -1;
  const fits = prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= bits);
  return bits > 0 && fits && rest === undefined
    ? undefined
    : 'is not an address or network such as 10.0.0.0/8';
}
