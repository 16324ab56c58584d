import type { ModulesContainer } from '@nestjs/core';

/**
 * What a request is doing: its body is not complete (`receiving`), nothing of the response has been sent (`handling`), or
 * the headers have (`replying`).
 */
export type RequestState = 'receiving' | 'handling' | 'replying';

/**
 * A request whose response is not over.
 *
 * @publicApi
 */
export interface RequestInFlight {
  /** Its number in `goroutine?debug=2`, too; those of later requests of the application are greater. */
  readonly id: number;
  readonly method: string;
  /** The pattern of its route, such as `/cats/:id`; undefined before it is routed, and where nothing matches. */
  readonly route: string | undefined;
  /** The method of a controller that handles it, such as `CatsController.findOne`; undefined for other handlers. */
  readonly handler: string | undefined;
  readonly state: RequestState;
  /** Of the response; undefined before its headers are sent. */
  readonly status: number | undefined;
  /** Whether it is at one of this library's endpoints. */
  readonly own: boolean;
  /** Milliseconds since it began. */
  readonly ageMs: number;
}

/** What only the HTTP side knows of a request. */
export type RequestDescription = Omit<RequestInFlight, 'id' | 'ageMs'>;

const UNKNOWN: RequestDescription = {
  method: '',
  route: undefined,
  handler: undefined,
  state: 'replying',
  status: undefined,
  own: false,
};

/** A request from its begin on, also for those who hold it when it has ended. */
export abstract class TrackedRequest {
  id = 0;
  /** Where it is in the table. */
  index = 0;
  /** By the clock of `performance.now()`. */
  readonly since = performance.now();
  private last: RequestDescription | undefined;

  /** What is known of it now; of one that has ended, what was known then. */
  snapshot(): RequestInFlight {
    const { id, since } = this;
    return { id, ...(this.last ?? this.describe()), ageMs: performance.now() - since };
  }

  get hasEnded(): boolean {
    return this.last !== undefined;
  }

  /** @param isHeld whether somebody may ask for a snapshot afterwards */
  end(isHeld: boolean): void {
    this.last = isHeld ? this.describe() : UNKNOWN;
    this.release();
  }

  protected abstract describe(): RequestDescription;

  /** Drops the references to request and response. */
  protected abstract release(): void;
}

/** The request that asynchronous work is for, by its context. */
export function requestOf(context: unknown): RequestInFlight | undefined {
  return context instanceof TrackedRequest ? context.snapshot() : undefined;
}

/** Somebody who wants to know of requests. */
export interface RequestListener {
  /**
   * Called before the application's own listeners see the request: what it sets by `AsyncLocalStorage.enterWith` is there in
   * all that the request does.
   */
  begin(request: TrackedRequest): void;
  end?(request: TrackedRequest): void;
}

const tables = new WeakMap<ModulesContainer, RequestsInFlight>();

/**
 * The requests in flight of one application. Nothing is asked of them before somebody reads, and they are not kept in a Map or a
 * Set, where Node 20 takes 0.5 µs for each.
 */
export class RequestsInFlight implements Iterable<TrackedRequest> {
  private readonly requests: TrackedRequest[] = [];
  private readonly listeners = new Set<RequestListener>();
  /** Numbers of threads and awaits are between those of requests. */
  private lastId = -1;

  /** All modules of an application have one. */
  static of(container: ModulesContainer): RequestsInFlight {
    const table = tables.get(container) ?? new RequestsInFlight();
    tables.set(container, table);
    return table;
  }

  /** Those that are in flight now, in the order in which they began. */
  [Symbol.iterator](): Iterator<TrackedRequest> {
    return this.requests.toSorted((a, b) => a.id - b.id).values();
  }

  begin(request: TrackedRequest): void {
    request.id = this.lastId += 4;
    request.index = this.requests.push(request) - 1;
    if (this.listeners.size > 0) for (const listener of this.listeners) listener.begin(request);
  }

  /** Ends a request, if it has not ended. */
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
