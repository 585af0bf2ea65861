/** What tests see of the requests that came in, and the faults they ask for. */
import type { Value } from './values.ts';

export interface HeardRequest {
  /** Name of the node that was asked. */
  readonly node: string;
  readonly method: string;
  /** Below `/api2/json`, decoded: `/nodes/pve1/qemu/300/config`. */
  readonly path: string;
  readonly params: Readonly<Record<string, Value>>;
  /** Id of the token, whether or not it was accepted. */
  readonly token: string | undefined;
}

/** Which requests are meant; `path` is compared with the decoded path below `/api2/json`. */
export interface RequestMatch {
  readonly method?: string;
  readonly path?: RegExp;
}

/** An answer in place of the true one, once. */
export type LabAnswer = (
  | { readonly status: number; readonly reason?: string; readonly body?: string }
  /** The connection breaks before a byte of the answer, or in the midst of it. */
  | { readonly cut: 'before' | 'within' }
  /** Nothing comes. */
  | { readonly silent: true }
  /** A success whose `data` is so long. */
  | { readonly dataBytes: number }
) & {
  /** The request is carried out all the same. */
  readonly carriedOut?: boolean;
};

export interface ApiControl {
  /** The latest, at most 1000. */
  readonly requests: readonly HeardRequest[];
  /** Open connections, of all nodes. */
  readonly connections: number;
  /** How many connections have come in all. */
  readonly connectionsTotal: number;
  /** Gives this answer to the next request that is meant. */
  answerNext(match: RequestMatch, answer: LabAnswer): void;
  /** Lets every request that is meant wait so long, until `clearDelays`. */
  delay(match: RequestMatch, ms: number): void;
  clearDelays(): void;
  /** How long a refused login takes; three seconds on a real node. */
  authDelayMs: number;
  /** Hangs up on new connections, to one node or to all. */
  refuseConnections(refuse: boolean, node?: string): void;
  dropConnections(): void;
  /** How long a task takes at least. */
  taskMs: number;
  /** Until the function that it returns is called, no task gets beyond its beginning. */
  holdTasks(): () => void;
  /** The next task, of that type where one is given, fails with this text and does nothing. */
  failNextTask(text: string, type?: string): void;
  /** The next task, of that type where one is given, does its work and ends with a warning. */
  warnNextTask(text?: string, type?: string): void;
}

/** The side of the server. */
export interface Faults {
  heard(request: HeardRequest): void;
  /** Takes the answer that was put in place of this request's. */
  takeAnswer(request: HeardRequest): LabAnswer | undefined;
  delayMsOf(request: HeardRequest): number;
}

const maxRequests = 1000;

function isMeant({ method, path }: RequestMatch, request: HeardRequest): boolean {
  return (
    (method === undefined || method === request.method) && (path === undefined || path.test(request.path))
  );
}

export function createFaults(): Faults &
  Pick<ApiControl, 'requests' | 'answerNext' | 'delay' | 'clearDelays'> {
  const requests: HeardRequest[] = [];
  const answers: { readonly match: RequestMatch; readonly answer: LabAnswer }[] = [];
  const delays: { readonly match: RequestMatch; readonly ms: number }[] = [];
  return {
    requests,
    heard(request) {
      requests.push(request);
      if (requests.length > maxRequests) requests.shift();
    },
    answerNext: (match, answer) => void answers.push({ match, answer }),
    takeAnswer(request) {
      const at = answers.findIndex(({ match }) => isMeant(match, request));
      return at < 0 ? undefined : answers.splice(at, 1)[0]?.answer;
    },
    delay: (match, ms) => void delays.push({ match, ms }),
    delayMsOf: (request) => delays.find(({ match }) => isMeant(match, request))?.ms ?? 0,
    clearDelays: () => void delays.splice(0),
  };
}
