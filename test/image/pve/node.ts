/** The stand as a container: sshd on port 22 of its network, taken down by SIGHUP and brought back by SIGUSR2. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { startNode } from '../../real/stand/node.ts';

const node = await startNode({ password: 'the password of the node', config: ['ListenAddress 0.0.0.0:22'] });
mkdirSync('/node', { recursive: true });
writeFileSync('/node/key', node.sshd.privateKey);
writeFileSync('/node/fingerprint', node.sshd.fingerprint);
writeFileSync('/node/ready', '');
// The stand alone does not keep a process going.
const keepAlive = setInterval(() => {}, 60_000);

process.on('SIGHUP', () => void node.sshd.stop());
process.on('SIGUSR2', () => void node.sshd.start());
process.on('SIGTERM', () => {
  clearInterval(keepAlive);
  void node.close().then(() => process.exit(0));
});
