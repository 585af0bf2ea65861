/** The configuration of a container, in the form of its file. */

export interface ContainerConfig {
  readonly vmid: number;
  readonly node: string;
  readonly description: string;
  /** As in the file: one value a key, raw `lxc.` keys may repeat and are joined by newlines. */
  readonly config: Readonly<Record<string, string>>;
}

/** A guest configuration: description as # lines, URL-encoded, then keys, up to the first snapshot section. */
export function parseConfig(text: string): { description: string; config: Record<string, string> } {
  const description: string[] = [];
  const config: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) break;
    if (line.startsWith('#')) description.push(decoded(line.slice(1)));
    const match = /^([A-Za-z0-9_.-]+)\s*[:=]\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, key = '', value = ''] = match;
    config[key] = config[key] === undefined ? value : `${config[key]}\n${value}`;
  }
  return { description: description.join('\n'), config: { ...config } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
