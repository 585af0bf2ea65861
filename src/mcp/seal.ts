/** Seals what is handed to clients and comes back from them: nobody can read it, make one up or alter one. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export interface Sealer {
  /** Characters of base64url. Throws RangeError where there would be more than `maxChars`. */
  seal(value: unknown): string;
  /** What was sealed; undefined for everything else. */
  open(sealed: string): unknown;
}

const ivBytes = 12;
const tagBytes = 16;
const cipherName = 'aes-256-gcm';

/**
 * `key` must be at least 32 random bytes. What was sealed for one purpose does not open for another. Encrypted,
 * because addresses get into the logs of proxies, where neither paths nor names of people belong.
 */
export function createSealer(input: { key: Buffer; purpose: string; maxChars: number }): Sealer {
  const { maxChars } = input;
  const key = Buffer.from(hkdfSync('sha256', input.key, '', `proxmox-mcp-gateway ${input.purpose}`, 32));
  return {
    seal(value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(cipherName, key, iv, { authTagLength: tagBytes });
      const parts = [iv, cipher.update(JSON.stringify(value), 'utf8'), cipher.final(), cipher.getAuthTag()];
      const sealed = Buffer.concat(parts).toString('base64url');
      if (sealed.length > maxChars)
        throw new RangeError(`it would have ${sealed.length} characters, of at most ${maxChars}`);
      return sealed;
    },
    open(sealed) {
      if (sealed.length > maxChars) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      // SECURITY: several texts decode to one seal, and all but one of them are strangers to whoever compares.
      if (bytes.length <= ivBytes + tagBytes || bytes.toString('base64url') !== sealed) return undefined;
      const decipher = createDecipheriv(cipherName, key, bytes.subarray(0, ivBytes), {
        authTagLength: tagBytes,
      });
      decipher.setAuthTag(bytes.subarray(-tagBytes));
      try {
        const opened = decipher.update(bytes.subarray(ivBytes, -tagBytes));
        return JSON.parse(Buffer.concat([opened, decipher.final()]).toString('utf8'));
      } catch {
        return undefined;
      }
    },
  };
}
