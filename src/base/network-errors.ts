/** Why a connection could not be made, in words that complete «the host cannot be reached: …». */

const problems: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ENOTFOUND: 'its name cannot be resolved',
  EAI_AGAIN: 'its name cannot be resolved',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
};

/** From the error of a socket; undefined where its code says nothing about the network. */
export function networkProblem(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return Object.hasOwn(problems, code) ? problems[code] : undefined;
}
