/** Every setting, described once: the loader, the README's table and stack.env all come from here. */
import { isIP } from 'node:net';
import { toolsets } from '../base/toolsets.ts';
import {
  absolutePath,
  flag,
  hostDirectory,
  httpUrl,
  integer,
  list,
  oneOf,
  pathRules,
  readableFile,
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
      about: 'Name or address of the Proxmox VE host. Required, unless commands run locally.',
      aliases: ['SSH_HOST', 'PROXMOX_HOST'],
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
    ENABLE_LOCAL_EXECUTION: flag({ about: 'The gateway runs on the Proxmox VE host itself: no SSH.' }),
    CONTAINER_DRIVER: oneOf(['auto', 'lxc-attach', 'pct'], 'auto', {
      about:
        'How commands enter a container. `auto` takes the fast `lxc-attach` where the host has it, else `pct`.',
    }),
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
        toolsets.some((toolset) => toolset === item)
          ? undefined
          : `is not a toolset; there are ${toolsets.join(', ')}`,
      { about: `Toolsets to offer, of ${toolsets.map((name) => `\`${name}\``).join(', ')}.`, shown: 'all' },
    ),
    READ_ONLY: flag({ about: 'Offer only tools that change nothing.' }),
    ENABLE_HOST_EXEC: flag({ about: 'Offer commands on the Proxmox VE host itself.' }),
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
  ...groups['Clients and network'],
  ...groups['What is allowed'],
  ...groups.Files,
  ...groups['Limits and records'],
};

export type SettingName = keyof typeof settings;

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
