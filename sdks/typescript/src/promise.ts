/** What a call returns: a promise of what was asked for, that can also tell about the reply it came in. */

/** A success with what its header says. */
export interface ApiResponse<T> {
  readonly data: T;
  readonly status: number;
  /** The reply's header fields, with names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly requestId: string | undefined;
  /** What `ifMatch` and `ifNoneMatch` take. */
  readonly etag: string | undefined;
  /** Whether this reply was given before, to a request with the same idempotency key. */
  readonly replayed: boolean;
}

export class ApiPromise<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = "ApiPromise";
  readonly #response: Promise<ApiResponse<T>>;

  constructor(response: Promise<ApiResponse<T>>) {
    this.#response = response;
  }

  /** The same success with its status, its header and its request id. */
  withResponse(): Promise<ApiResponse<T>> {
    return this.#response;
  }

  then<A = T, B = never>(
    kept?: ((data: T) => A | PromiseLike<A>) | null,
    broken?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#response.then((response) => response.data).then(kept, broken);
  }

  catch<B = never>(broken?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, broken);
  }

  finally(settled?: (() => void) | null): Promise<T> {
    return this.then().finally(settled);
  }
}
