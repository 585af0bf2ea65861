/**
 * Commands that are almost always an accident. Advisory: a shell can spell each of them in endless ways, so
 * this protects a hurried caller from a slip and nobody from an attacker.
 */
const dangers: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\brm\s+(?:-\S+\s+)*(?:--\s+)?(["']?)\/\*?\1(?:\s|[;&|]|$)/, 'the removal of the whole root file system'],
  [/\brm\s+[^;&|\n]*--no-preserve-root/, 'the removal of the whole root file system'],
  [/\bmkfs(\.\w+)?\s+[^;&|\n]*\/dev\//, 'the formatting of a disk'],
  [/\bdd\b[^;&|\n]*\bof=\/dev\/(?!null\b|zero\b|stdout\b|stderr\b|fd\/)/, 'a raw write to a device'],
  [/>\s*\/dev\/(sd|hd|vd|xvd|nvme|mmcblk|dm-|mapper\/)/, 'a raw write to a device'],
  [/\b(wipefs|blkdiscard)\s+[^;&|\n]*\/dev\//, 'the erasure of a disk'],
  [/:\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;\s*:/, 'a fork bomb'],
  [
    /\bch(mod|own)\s+(-\S*R\S*|--recursive)\s+\S+\s+\/(\s|[;&|]|$)/,
    'a change of mode or owner of every file',
  ],
];

/** What the command looks like, in words, or undefined. */
export function dangerIn(command: string): string | undefined {
  return dangers.find(([pattern]) => pattern.test(command))?.[1];
}
