import { Injectable } from '@nestjs/common';
import { processState } from '../sampling/process-state.js';

/**
 * What a request does, as far as its answer tells:
 *
 * - `receiving`: its body is still to come, and nobody has begun to handle it
 * - `routing`: it is in middleware or hooks, or in a handler that is not Nest's
 * - `handling`: it is with its handler, or with that one's guards, pipes or interceptors
 * - `answering`: the answer has begun
 * - `sending`: the answer is complete, and the client has yet to take all of it
 * - `ended`: it is under way no more
 */
export type RequestPhase = 'receiving' | 'routing' | 'handling' | 'answering' | 'sending' | 'ended';

/** The method of a controller that handles a request. */
export interface RequestHandler {
  readonly className: string;
  readonly method: string;
  /** What Nest calls, for its place in the code. */
  readonly fn: (...args: never[]) => unknown;
}

/**
 * A request that the application has not answered yet. It ends when its response is closed: the answer is sent, or the
 * client has left. What its handler does after that is nobody's request any more; the object stays true, whoever keeps it.
 */
export interface RequestUnderWay {
  /** `performance.now()` at its begin. */
  readonly startedMs: number;
  readonly method: string;
  /** The pattern that was matched, with prefix and version: `/v1/cats/:id`. Undefined where the handler is. */
  readonly route: string | undefined;
  /** Undefined until Nest calls the first guard, and for what Nest does not route. */
  readonly handler: RequestHandler | undefined;
  readonly phase: RequestPhase;
  /** It has ended because the client left, before it had the whole answer. */
  readonly clientGone: boolean;
  /** The status of its answer, from when that begins until the request ends. */
  readonly status?: number | undefined;
}

/** Is told of requests. */
export interface RequestObserver {
  /** At its begin, within its execution and before the application sees it. */
  began?(request: RequestUnderWay): void;
  /** Its handler is known. */
  routed?(request: RequestUnderWay): void;
  ended?(request: RequestUnderWay): void;
}

/** As the set of them has it. */
export interface TrackedRequest extends RequestUnderWay {
  /** Where it is in the set; -1 before. */
  place: number;
}

interface SharedRequests {
  /** In no order: an array that fills its gaps with its last one costs a tenth of a `Map`, on each request. */
  readonly underWay: TrackedRequest[];
  readonly observers: Set<RequestObserver>;
  readonly sources: Set<() => void>;
}

/**
 * The requests under way in this process, whichever application they came to.
 *
 * As long as nobody observes, who has them may tell of them late: to keep each in the set costs more than the request's
 * own object. Before anyone looks or observes, every source is asked for what it has not told.
 */
@Injectable()
export class RequestsInFlight {
  private readonly shared = sharedRequests();

  /** Somebody observes: each request is to be told at its begin. */
  get isObserved(): boolean {
    return this.shared.observers.size > 0;
  }

  /** Tells until the returned function is called. */
  observe(observer: RequestObserver): () => void {
    this.askSources();
    return added(this.shared.observers, observer);
  }

  /** @param tell begins what is under way and has not begun here; it is called until the returned function is */
  addSource(tell: () => void): () => void {
    return added(this.shared.sources, tell);
  }

  /** Oldest first. */
  list(): RequestUnderWay[] {
    this.askSources();
    return this.shared.underWay.toSorted((a, b) => a.startedMs - b.startedMs);
  }

  /** @returns whether somebody was told, who may keep it beyond its end */
  begin(request: TrackedRequest): boolean {
    const { underWay, observers } = this.shared;
    request.place = underWay.push(request) - 1;
    if (observers.size === 0) return false;
    for (const observer of observers) observer.began?.(request);
    return true;
  }

  /** Its handler is known. */
  route(request: TrackedRequest): void {
    const { observers } = this.shared;
    if (observers.size > 0) for (const observer of observers) observer.routed?.(request);
  }

  end(request: TrackedRequest): void {
    const { underWay, observers } = this.shared;
    if (observers.size > 0) for (const observer of observers) observer.ended?.(request);
    const { place } = request;
    const last = underWay.pop()!;
    if (last.place === place) return;
    underWay[place] = last;
    last.place = place;
  }

  private askSources(): void {
    for (const tell of this.shared.sources) tell();
  }
}

function added<T>(set: Set<T>, value: T): () => void {
  set.add(value);
  return () => void set.delete(value);
}

/** The profiles are the process's, and so are the requests. */
function sharedRequests(): SharedRequests {
  return (processState().requests ??= {
    underWay: [],
    observers: new Set(),
    sources: new Set(),
  }) as SharedRequests;
}
