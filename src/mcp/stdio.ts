/** Serves one client over stdin and stdout, both protocol eras. */
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { ServerBuilder } from './server.ts';

/** Begins to serve; resolves when the client has gone. Nothing else may write to stdout. */
export async function serveOverStdio(buildServer: ServerBuilder): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve);
    process.stdin.once('close', resolve);
    process.stdout.on('error', () => resolve());
  });
  const handle = serveStdio(() => buildServer({ principal: { name: 'stdio' } }));
  await ended;
  await handle.close();
}
