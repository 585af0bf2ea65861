/** Progress of a call that takes long: the latest output as it comes, and a sign of life without any. */

export interface Progress {
  readonly onOutput: (text: string) => void;
  /** Takes the place of what was heard before. */
  readonly onState: (text: string) => void;
  stop(): void;
}

/** Clients give up after 60 s of silence, proxies sooner. */
const silenceMs = 8_000;
const betweenMs = 1_000;
const maxChars = 400;

/** `notify` is called at most once a second, and at least every 8 s until stop(). */
export function createProgress(notify: (elapsedS: number, message: string) => void): Progress {
  const startedAt = performance.now();
  let latest = '';
  let timer: NodeJS.Timeout | undefined;
  let sentAt = startedAt;
  let dirty = false;
  let stopped = false;

  const send = () => {
    sentAt = performance.now();
    dirty = false;
    const elapsedS = Math.round((sentAt - startedAt) / 10) / 100;
    notify(elapsedS, latest.trim() === '' ? `running for ${Math.round(elapsedS)} s` : latest);
    arm(silenceMs);
  };
  const arm = (waitMs: number) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(send, waitMs).unref();
  };
  arm(silenceMs);

  const show = (text: string) => {
    latest = tail(text);
    if (dirty) return;
    dirty = true;
    arm(Math.max(0, sentAt + betweenMs - performance.now()));
  };

  return {
    onOutput: (text) => show(latest + tail(text)),
    onState: show,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** The last characters, beginning with a whole line where there is one. */
function tail(text: string): string {
  if (text.length <= maxChars) return text;
  const end = text.slice(-maxChars);
  const lineAt = end.indexOf('\n');
  return (lineAt >= 0 && lineAt < maxChars / 2 ? end.slice(lineAt + 1) : end).toWellFormed();
}
