/** Points of the traffic between a client and the node at which a test steps in. */

/** Reached where all that is given is: bytes count over all channels, from the moment the point is set. */
export interface LabPoint {
  /** A command line, or a piece of standard input, that this fits. */
  readonly heard?: RegExp;
  /** Of standard input and files written by SFTP. */
  readonly receivedBytes?: number;
  /** Of output and files read by SFTP. */
  readonly sentBytes?: number;
}

export interface Points {
  /** Does the action once, before the node acts on what reached the point. */
  at(point: LabPoint, action: () => void): void;
  heard(text: string): void;
  received(bytes: number): void;
  sending(bytes: number): void;
}

interface Watch {
  heard: RegExp | undefined;
  receivedBytes: number;
  sentBytes: number;
  readonly action: () => void;
}

export function createPoints(): Points {
  const watches = new Set<Watch>();
  const change = (update: (watch: Watch) => void) => {
    for (const watch of watches) {
      update(watch);
      if (watch.heard !== undefined || watch.receivedBytes > 0 || watch.sentBytes > 0) continue;
      watches.delete(watch);
      watch.action();
    }
  };
  return {
    at({ heard, receivedBytes = 0, sentBytes = 0 }, action) {
      watches.add({ heard, receivedBytes, sentBytes, action });
    },
    heard: (text) =>
      change((watch) => {
        if (watch.heard?.test(text) === true) watch.heard = undefined;
      }),
    received: (bytes) =>
      change((watch) => {
        watch.receivedBytes -= bytes;
      }),
    sending: (bytes) =>
      change((watch) => {
        watch.sentBytes -= bytes;
      }),
  };
}
