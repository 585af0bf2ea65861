/** A secret key that survives restarts: made once, readable by the gateway alone. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const keyBytes = 32;

/** Reads the key, or makes it. Throws the file system's error where the folder cannot be written. */
export function keepKey(file: string): Buffer {
  const known = readKey(file);
  if (known !== undefined) return known;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    create(file);
  } catch (error) {
    if (!isExists(error)) throw error;
    // Another process made it in the meantime; or a crash left it short, and only then is it replaced.
    if (readKey(file) === undefined) {
      unlinkSync(file);
      create(file);
    }
  }
  const made = readKey(file);
  if (made === undefined) throw new Error(`${file} is not ${keyBytes} bytes long`);
  return made;
}

function create(file: string): void {
  writeFileSync(file, randomBytes(keyBytes), { mode: 0o600, flag: 'wx' });
}

function readKey(file: string): Buffer | undefined {
  try {
    const key = readFileSync(file);
    return key.length === keyBytes ? key : undefined;
  } catch {
    return undefined;
  }
}

function isExists(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}
