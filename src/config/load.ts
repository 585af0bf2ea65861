/** From environment variables and secret files to a frozen Config, or to every fault at once. */
import { realpathSync } from 'node:fs';
import { isIP } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { isWithin } from '../base/paths.ts';
import { type Fault, readSettingFile, type Setting, SettingError } from './kinds.ts';
import { type SettingName, settings, type Values } from './schema.ts';
import { fileNamesOf, strayNames } from './stray.ts';
import { type ApiSettings, hostOf, type Ways, warningsOn, waysOf } from './ways.ts';

export interface Config extends Omit<Values, 'HOST' | 'STATE_DIR' | 'AUDIT_FILE' | 'TRANSFER_DIR'> {
  /** Undefined where commands run locally. */
  readonly HOST: string | undefined;
  readonly STATE_DIR: string;
  readonly AUDIT_FILE: string;
  readonly TRANSFER_DIR: string;
  /** Where the bearer tokens came from, to be read again; undefined where they came from the environment. */
  readonly tokenFile: string | undefined;
  /** Whether commands reach the host: over SSH, or because they run on it. */
  readonly ssh: boolean;
  /** Undefined where no token is set. */
  readonly api: ApiSettings | undefined;
}

/** Everything that keeps the gateway from starting. */
export class ConfigError extends Error {
  readonly faults: readonly Fault[];
  constructor(faults: readonly Fault[]) {
    super(faults.map(({ setting, problem }) => `${setting} ${problem}.`).join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

export interface Loaded {
  readonly config: Config;
  /** Names in the environment that look like ours and are not. */
  readonly warnings: readonly string[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadInput {
  readonly env: Environment;
  readonly command: 'serve' | 'stdio';
}

/**
 * Reads and checks every setting. `serve` needs a bearer token, `stdio` does not.
 * Throws ConfigError with all faults.
 */
export function load(input: LoadInput): Loaded {
  const faults: Fault[] = [];
  const values: Record<string, unknown> = {};
  const files: Record<string, string | undefined> = {};
  for (const [name, setting] of Object.entries(settings) as [SettingName, Setting<unknown>][]) {
    try {
      const raw = read(input.env, name, setting);
      values[name] = raw === undefined ? setting.fallback : setting.parse(raw.text);
      if (raw?.file !== undefined) files[`${name}_FILE`] = raw.file;
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      faults.push({ setting: name, problem: error.message });
      values[name] = setting.fallback;
    }
  }
  const parsed = values as unknown as Values;
  const broken = new Set(faults.map(({ setting }) => setting));
  const ways = waysOf(parsed, files);
  const further = [...missing(parsed, ways, broken, input), ...ways.faults];
  faults.push(...further.filter(({ setting }) => !broken.has(setting)));
  const stateDir = parsed.STATE_DIR ?? join(input.env.HOME || '/root', '.local/state/proxmox-mcp-gateway');
  const transferDir = parsed.TRANSFER_DIR ?? join(stateDir, 'transfers');
  const auditFile = parsed.AUDIT_FILE ?? join(stateDir, 'audit.jsonl');
  const { SSH_KEY, SSH_KNOWN_HOSTS } = parsed;
  const own = { ...files, STATE_DIR: stateDir, AUDIT_FILE: auditFile, SSH_KEY, SSH_KNOWN_HOSTS };
  faults.push(...exposed(transferDir, own));
  if (faults.length > 0) throw new ConfigError(faults);
  const config: Config = Object.freeze({
    ...parsed,
    HOST: hostOf(parsed),
    STATE_DIR: stateDir,
    AUDIT_FILE: auditFile,
    TRANSFER_DIR: transferDir,
    tokenFile: files.MCP_AUTH_TOKEN_FILE,
    ssh: ways.ssh,
    api: ways.api,
  });
  return { config, warnings: [...strayNames(input.env), ...warningsOn(config)] };
}

/** SECURITY: what is in the transfer folder can be read and replaced by every caller. */
function exposed(transferDir: string, own: Readonly<Record<string, string | undefined>>): Fault[] {
  const folder = realPath(transferDir);
  return Object.entries(own)
    .filter(([, path]) => path !== undefined && isWithin(realPath(path), folder))
    .map(([name]) => ({
      setting: 'TRANSFER_DIR',
      problem: `holds what ${name} names, which callers could then read or replace: choose a folder of its own`,
    }));
}

/** Of what is not there yet, as far as it is there. */
function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute === '/' ? absolute : join(realPath(dirname(absolute)), basename(absolute));
  }
}

interface Raw {
  readonly text: string;
  readonly file?: string;
}

/** An empty variable counts as unset, and so does an empty secret file: the compose file names one for each secret. */
function read(env: Environment, name: SettingName, setting: Setting<unknown>): Raw | undefined {
  const isSet = (candidate: string) => (env[candidate] ?? '') !== '';
  const given = [name, ...setting.aliases].filter(isSet);
  const files = fileNamesOf(name, setting)
    .filter(isSet)
    .flatMap((fileName) => {
      const file = env[fileName] ?? '';
      const text = readSettingFile(file).replace(/[\r\n]+$/, '');
      return text === '' ? [] : [{ fileName, file, text }];
    });
  const values = new Set(given.map((candidate) => env[candidate]));
  if (values.size > 1 || files.length > 1 || (files.length > 0 && given.length > 0)) {
    const named = [...given, ...files.map(({ fileName }) => fileName)];
    throw new SettingError(`is ambiguous: ${named.join(' and ')} are both set; keep one of them`);
  }
  const [first] = given;
  return files[0] ?? (first === undefined ? undefined : { text: env[first] ?? '' });
}

function missing(
  values: Values,
  ways: Ways,
  broken: ReadonlySet<string>,
  { env, command }: LoadInput,
): Fault[] {
  const faults: Fault[] = [];
  const add = (setting: SettingName, problem: string) => faults.push({ setting, problem });
  if (!values.I_ACCEPT_RISKS)
    add('I_ACCEPT_RISKS', 'is not true: read the risks in the README, then set I_ACCEPT_RISKS=true');
  if (!values.ENABLE_LOCAL_EXECUTION) {
    if (hostOf(values) === undefined && !broken.has('PROXMOX_HOST'))
      add(
        'HOST',
        'is not set: set HOST to the name or address of the Proxmox VE host (or ENABLE_LOCAL_EXECUTION=true on that host)',
      );
    if (!ways.ssh && ways.api === undefined && ways.faults.length === 0)
      add(
        'SSH_KEY',
        `is not set, nor is SSH_PASSWORD${lookedIn(env, ['SSH_KEY', 'SSH_PASSWORD'])}: set SSH_KEY to the path of a private key, or SSH_PASSWORD_FILE to the path of a file with the password (or PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET_FILE, for the REST API alone)`,
      );
  }
  if (command === 'serve') addServing(values, env, add);
  return faults;
}

/** Files that were named and hold nothing, so that nobody looks for the fault elsewhere. */
function lookedIn(env: Environment, names: readonly SettingName[]): string {
  const files = names
    .flatMap((name) =>
      settings[name].secret ? fileNamesOf(name, settings[name]) : [name, ...settings[name].aliases],
    )
    .flatMap((name) => env[name] || []);
  return files.length === 0 ? '' : ` (empty: ${files.join(', ')})`;
}

function addServing(
  values: Values,
  env: Environment,
  add: (setting: SettingName, problem: string) => void,
): void {
  const loopback = isLoopback(values.SERVER_HOST);
  if (values.ALLOW_UNAUTHENTICATED && !loopback)
    add(
      'ALLOW_UNAUTHENTICATED',
      `is true while SERVER_HOST is ${values.SERVER_HOST}: that would give everyone on the network root in the containers. Set SERVER_HOST=127.0.0.1, or a token instead`,
    );
  if (values.MCP_AUTH_TOKEN === undefined && !values.ALLOW_UNAUTHENTICATED)
    add(
      'MCP_AUTH_TOKEN',
      `is not set${lookedIn(env, ['MCP_AUTH_TOKEN'])}: make a token with \`openssl rand -hex 32\`, and set MCP_AUTH_TOKEN, or MCP_AUTH_TOKEN_FILE to the path of a file with it`,
    );
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
