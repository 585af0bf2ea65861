/** Files such as a node serves of its own API. */

export function fileOf(...roots: readonly unknown[]): string {
  const lines = JSON.stringify(roots, null, 3).split('\n').slice(0, -1).join('\n');
  return `const apiSchema = ${lines || '['}\n]\n;\n\nconst viewer = () => apiSchema;\n`;
}

export function methodOf(more: object = {}): object {
  return {
    ...{ name: 'index', description: '', allowtoken: 1 },
    ...{ parameters: { additionalProperties: 0 }, permissions: { user: 'all' } },
    ...more,
  };
}
