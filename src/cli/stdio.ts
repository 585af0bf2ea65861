/** `stdio`: the gateway for one client that starts it as a child process. */
import { randomBytes } from 'node:crypto';
import type { Config } from '../config/load.ts';
import { serveOverStdio } from '../mcp/stdio.ts';
import { startGateway } from './start.ts';

/** How long calls under way may go on after the client has gone. */
const drainMs = 500;

/** Resolves when the client has gone or `stop` aborts. Throws ConfigError where a setting does not work. */
export async function stdio(input: {
  config: Config;
  version: string;
  writeLog: (line: string) => void;
  stop: AbortSignal;
}): Promise<void> {
  const gateway = await startGateway({
    ...input,
    // Nobody but this process ever reads what is sealed with it.
    key: randomBytes(32),
    sessionCount: () => 0,
    issueUrl: undefined,
  });
  const stopped = new Promise<void>((resolve) => {
    input.stop.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([serveOverStdio(gateway.buildServer), stopped]);
  await gateway.close(drainMs);
}
