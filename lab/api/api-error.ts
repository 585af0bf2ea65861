/** An answer of the REST API that is no success, as the node words it. */

export class ApiError extends Error {
  readonly status: number;
  /** What is wrong with each parameter. */
  readonly errors: Readonly<Record<string, string>> | undefined;
  /** `text` goes into the reason phrase and, unless it is a matter of transport (59x), into the body's `message`. */
  constructor(status: number, text: string, errors?: Readonly<Record<string, string>>) {
    super(text);
    this.status = status;
    this.errors = errors;
  }
}

export function badParameters(errors: Readonly<Record<string, string>>): ApiError {
  return new ApiError(400, 'Parameter verification failed.', errors);
}

/** `path` is empty where it cannot be a path of an access list. */
export function forbidden(path: string, privileges: readonly string[]): ApiError {
  return new ApiError(403, `Permission check failed (${path}, ${privileges.join('|')})`);
}
