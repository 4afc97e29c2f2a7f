/** Lists: one page at a time, or every item of all of them. */

import { ApiPromise, type ApiResponse } from "./promise.js";

/** One page. Iterating it goes on through the pages after it. */
export class Page<T> implements AsyncIterable<T> {
  readonly data: readonly T[];
  /** What `cursor` takes for the page after this one; null on the last. */
  readonly nextCursor: string | null;
  /** Ids of records on this page that the server cannot read, as what it has stored was altered. Tell support. */
  readonly unreadable: readonly string[];
  readonly #turn: (cursor: string) => PagePromise<T>;

  constructor(
    data: readonly T[],
    nextCursor: string | null,
    unreadable: readonly string[],
    turn: (cursor: string) => PagePromise<T>,
  ) {
    this.data = data;
    this.nextCursor = nextCursor;
    this.unreadable = unreadable;
    this.#turn = turn;
  }

  get hasMore(): boolean {
    return this.nextCursor !== null;
  }

  /** The page after this one, or null after the last. */
  async nextPage(): Promise<Page<T> | null> {
    return this.nextCursor === null ? null : this.#turn(this.nextCursor);
  }

  /** This page and all that follow. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    for (let page: Page<T> | null = this; page !== null; page = await page.nextPage()) yield page;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.data;
  }
}

/** What a list returns: await it for its first page, or iterate it for every item. */
export class PagePromise<T> extends ApiPromise<Page<T>> implements AsyncIterable<T> {
  constructor(response: Promise<ApiResponse<Page<T>>>) {
    super(response);
  }

  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    yield* (await this).pages();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    yield* await this;
  }
}
