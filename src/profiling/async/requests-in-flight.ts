import type { ModulesContainer } from '@nestjs/core';

/**
 * State of a request: its body is not complete (`receiving`), the body is complete and no response headers have been sent
 * (`handling`), or the headers have been sent (`replying`).
 */
export type RequestState = 'receiving' | 'handling' | 'replying';

/**
 * A request whose response has not ended.
 *
 * @publicApi
 */
export interface RequestInFlight {
  /** Its number, the same as in `goroutine?debug=2`. Later requests of the application have greater numbers. */
  readonly id: number;
  readonly method: string;
  /** The pattern of its route, such as `/cats/:id`; undefined before it is routed and if no route matches. */
  readonly route: string | undefined;
  /** The controller's method that handles it, such as `CatsController.findOne`; undefined for other handlers. */
  readonly handler: string | undefined;
  readonly state: RequestState;
  /** Status code of the response; undefined before its headers are sent. */
  readonly status: number | undefined;
  /** Whether it is for one of this library's endpoints. */
  readonly own: boolean;
  /** Milliseconds since the request arrived. */
  readonly ageMs: number;
}

/** What the HTTP layer knows about a request. */
export type RequestDescription = Omit<RequestInFlight, 'id' | 'ageMs'>;

const UNKNOWN: RequestDescription = {
  method: '',
  route: undefined,
  handler: undefined,
  state: 'replying',
  status: undefined,
  own: false,
};

/** A request that may still be referenced after it has ended. */
export abstract class TrackedRequest {
  id = 0;
  /** Its index in the table. */
  index = 0;
  /** Start time, by `performance.now()`. */
  readonly since = performance.now();
  private last: RequestDescription | undefined;

  /** Its current description; after the end, the last one. */
  snapshot(): RequestInFlight {
    const { id, since } = this;
    return { id, ...(this.last ?? this.describe()), ageMs: performance.now() - since };
  }

  get hasEnded(): boolean {
    return this.last !== undefined;
  }

  /** @param isHeld whether a snapshot may be needed afterwards */
  end(isHeld: boolean): void {
    this.last = isHeld ? this.describe() : UNKNOWN;
    this.release();
  }

  protected abstract describe(): RequestDescription;

  /** Drops the references to request and response. */
  protected abstract release(): void;
}

/** The request of an asynchronous context. */
export function requestOf(context: unknown): RequestInFlight | undefined {
  return context instanceof TrackedRequest ? context.snapshot() : undefined;
}

/** Listener for requests. */
export interface RequestListener {
  /**
   * Called before the application's listeners get the request, so a store set with `AsyncLocalStorage.enterWith` is available in
   * everything that the request does.
   */
  begin(request: TrackedRequest): void;
  end?(request: TrackedRequest): void;
}

const tables = new WeakMap<ModulesContainer, RequestsInFlight>();

/**
 * The requests in flight of one application. They are described only when they are read. Not a Map or a Set, which on Node 20
 * take 0.5 µs for each request.
 */
export class RequestsInFlight implements Iterable<TrackedRequest> {
  private readonly requests: TrackedRequest[] = [];
  private readonly listeners = new Set<RequestListener>();
  /** Ids of threads and awaits are the numbers in between. */
  private lastId = -1;

  /** One table per application, shared by all its modules. */
  static of(container: ModulesContainer): RequestsInFlight {
    const table = tables.get(container) ?? new RequestsInFlight();
    tables.set(container, table);
    return table;
  }

  /** The requests in flight, in the order of their start. */
  [Symbol.iterator](): Iterator<TrackedRequest> {
    return this.requests.toSorted((a, b) => a.id - b.id).values();
  }

  begin(request: TrackedRequest): void {
    request.id = this.lastId += 4;
    request.index = this.requests.push(request) - 1;
    if (this.listeners.size > 0) for (const listener of this.listeners) listener.begin(request);
  }

  /** Ends a request. Does nothing if it has ended. */
  end(request: TrackedRequest): void {
    if (request.hasEnded) return;
    const last = this.requests.pop()!;
    if (last !== request) this.requests[(last.index = request.index)] = last;
    request.end(this.listeners.size > 0);
    if (this.listeners.size > 0) for (const listener of this.listeners) listener.end?.(request);
  }

  /** @returns a function that removes the listener */
  listen(listener: RequestListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
