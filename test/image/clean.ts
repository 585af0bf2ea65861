/** Takes away all that a run leaves with Docker, also one that was interrupted. */
import { must, run } from './docker.ts';

/** Of every project whose name begins with `prefix`; gives back what was still there. */
export async function sweep(prefix: string, images: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const docker = (...args: string[]) => must(['docker', ...args], { late: true });
  const mine = async (list: readonly string[], remove: readonly string[]) => {
    const format = '{{.Label "com.docker.compose.project"}} {{.ID}}';
    const rows = (
      await docker(...list, '--format', list[0] === 'volume' ? format.replace('.ID', '.Name') : format)
    )
      .split('\n')
      .map((row) => row.split(' '));
    const names = rows.flatMap(([project = '', name = '']) =>
      project === prefix || project.startsWith(`${prefix}-`) ? [name] : [],
    );
    if (names.length > 0) await docker(...remove, ...names);
    found.push(...names.map((name) => `${list[0]} ${name}`));
  };
  let before: number;
  // What an interrupted command has begun can appear only after it.
  do {
    before = found.length;
    await mine(['ps', '--all', '--no-trunc'], ['rm', '--force', '--volumes']);
    await mine(['network', 'ls'], ['network', 'rm']);
    await mine(['volume', 'ls'], ['volume', 'rm']);
  } while (found.length > before);
  await run(['docker', 'image', 'rm', '--force', ...images], { late: true });
  return found;
}
