#!/usr/bin/env node
/** The command line: reads the environment, starts a command, ends the process. */
import { readFileSync } from 'node:fs';
import { serve } from './cli/serve.ts';
import { stdio } from './cli/stdio.ts';
import { type Config, ConfigError, load } from './config/load.ts';
import { createLog, describeError } from './observe/log.ts';

const usage = `Usage: proxmox-mcp-gateway <command>

Commands:
  serve    serve MCP over Streamable HTTP (the default)
  stdio    serve one MCP client over stdin and stdout

Settings come from environment variables; the README lists them.
`;

/** As sysexits.h has it: the configuration is at fault, and starting again will not help. */
const configurationFault = 78;

const version = readVersion();
const writeLog = (line: string) => void process.stderr.write(line);
const log = createLog({ level: 'info', write: writeLog });

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const known = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return known ? String(manifest.version) : '0.0.0';
}

function configure(command: 'serve' | 'stdio'): Config {
  const { config, warnings } = load({ env: process.env, command });
  for (const warning of warnings) log.warn(warning);
  return config;
}

/** The first signal asks for an orderly end, the second ends at once. */
function onStopSignal(stop: () => void): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      stop();
    });
}

async function run(command: string): Promise<void> {
  const stop = new AbortController();
  onStopSignal(() => stop.abort());
  if (command === 'stdio')
    return await stdio({ config: configure(command), version, writeLog, stop: stop.signal });
  const serving = await serve({ config: configure('serve'), version, writeLog });
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve();
    else stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await serving.close();
}

function fail(error: unknown): never {
  if (error instanceof ConfigError) {
    const lines = error.faults.map(({ setting, problem }) =>
      // A line to be copied ends the text: nothing may come behind it.
      problem.endsWith('\n') ? `  ${setting} ${problem.trimEnd()}` : `  ${setting} ${problem}.`,
    );
    process.stderr.write(`proxmox-mcp-gateway cannot start:\n${lines.join('\n')}\n`);
    process.exit(configurationFault);
  }
  log.error('stopping after an error that should not happen', { error: describeError(error) });
  process.exit(1);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const [command = 'serve', ...extra] = process.argv.slice(2);
if (command === '--version') process.stdout.write(`${version}\n`);
else if (command === '--help' || command === '-h') process.stdout.write(usage);
else if ((command === 'serve' || command === 'stdio') && extra.length === 0)
  run(command).then(() => process.exit(0), fail);
else {
  process.stderr.write(usage);
  process.exit(2);
}
