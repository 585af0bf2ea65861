/** One line a check, and at the end whether all of them held. */

/** What `prove` returns as text is shown behind the line; what it throws is the failure. */
export type Check = (what: string, prove: () => Promise<unknown>) => Promise<void>;

export interface Report {
  section(name: string, run: (check: Check) => Promise<void>): Promise<void>;
  /** Prints the sum; true where nothing failed. */
  close(): boolean;
}

export function createReport(write: (line: string) => void): Report {
  const startedAt = performance.now();
  let passed = 0;
  const failed: string[] = [];
  const tell = (mark: string, what: string, sinceMs: number, detail: string) =>
    write(`${mark} ${what} (${((performance.now() - sinceMs) / 1000).toFixed(1)} s)${detail}\n`);

  const attempt = async (what: string, prove: () => Promise<unknown>): Promise<void> => {
    const sinceMs = performance.now();
    try {
      const detail = await prove();
      passed++;
      tell('ok  ', what, sinceMs, typeof detail === 'string' ? `: ${detail}` : '');
    } catch (error) {
      failed.push(what);
      const reason = error instanceof Error ? error.message : String(error);
      tell('FAIL', what, sinceMs, `\n${reason.replace(/^/gm, '       ')}`);
    }
  };
  return {
    async section(name, run) {
      try {
        await run((what, prove) => attempt(`${name}: ${what}`, prove));
      } catch (error) {
        await attempt(`${name}: could not go on`, () => Promise.reject(error));
      }
    },
    close() {
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      write(`${passed} checks held, ${failed.length} failed, in ${seconds} s\n`);
      for (const what of failed) write(`FAIL ${what}\n`);
      return failed.length === 0 && passed > 0;
    },
  };
}
