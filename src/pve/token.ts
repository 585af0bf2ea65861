/** The API token, read again when it was not accepted: its file may have been rotated. */
import { failure } from '../base/errors.ts';

export interface Token {
  /** Throws API_AUTH_FAILED where there is none that could be sent. */
  current(): string;
  /** Another than the one that was used, where there is one by now. */
  renewed(used: string): string | undefined;
}

/** `user@realm!name=secret`; nothing that could end a header line. */
const form = /^[\x21-\x7e]+@[\x21-\x7e]+![\x21-\x7e]+=[\x21-\x7e]+$/;

export function createToken({ read, host }: { read: () => string; host: string }): Token {
  let known: string | undefined;

  const readAgain = () => {
    const text = read();
    if (!form.test(text))
      throw failure('API_AUTH_FAILED', { host, problem: 'its API token has no valid form' });
    known = text;
    return text;
  };

  return {
    current() {
      if (known !== undefined) return known;
      try {
        return readAgain();
      } catch (cause) {
        throw failure('API_AUTH_FAILED', { host, problem: 'its API token cannot be used' }, { cause });
      }
    },
    renewed(used) {
      try {
        const text = readAgain();
        return text === used ? undefined : text;
      } catch {
        return undefined;
      }
    },
  };
}
