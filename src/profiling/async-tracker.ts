import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ResolvedPprofOptions } from '../interfaces/pprof-options.interface.js';
import { PPROF_OPTIONS } from '../pprof.constants.js';
import type { Wait, WaitObserver, WaitSubscription } from '../sampling/async-waits.js';
import { processState } from '../sampling/process-state.js';
import { RateSwitch } from './rate-switch.js';
import { RequestsInFlight, type RequestUnderWay } from './requests-in-flight.js';

/** An execution that waits at an `await`. */
export interface PendingAwait extends Wait {
  /** As many as it stands for: one `await` in so many is tracked. */
  readonly weight: number;
  /** What it works for, if it began while awaits were tracked. */
  readonly request: RequestUnderWay | undefined;
}

/** Executions that can never go on: what they awaited, in one place and for one kind of request, was collected. */
export interface LeakedAwaits {
  /** The first of them. */
  readonly first: PendingAwait;
  count: number;
}

/** Places and kinds of requests that are told apart. */
const MOST_LEAKS = 10_000;

/**
 * Knows what is under way: requests, always; and, while `goroutineProfileRate` or somebody who needs it says so, every
 * pending `await` and where it began.
 *
 * @publicApi
 */
@Injectable()
export class AsyncTracker implements OnModuleDestroy {
  /** One `await` in so many is tracked; 0: none. */
  readonly awaitRate: RateSwitch;
  private readonly current = new AsyncLocalStorage<RequestUnderWay>();
  private readonly requestOf = new WeakMap<Wait, RequestUnderWay>();
  private readonly leaks = new Map<string, LeakedAwaits>();
  private readonly numbers = new Numbers();
  private awaits: WaitSubscription | undefined;
  /** Ends being told of requests. */
  private stopRequests: (() => void) | undefined;

  constructor(
    @Inject(PPROF_OPTIONS) { enabled, goroutineProfileRate }: ResolvedPprofOptions,
    private readonly inFlight: RequestsInFlight,
  ) {
    this.awaitRate = new RateSwitch(enabled ? goroutineProfileRate : 0, 1, (every) => this.track(every));
  }

  /** Requests that are not answered yet, oldest first. */
  requests(): readonly RequestUnderWay[] {
    return this.inFlight.list();
  }

  /** Executions that wait at an `await`, oldest first, as far as they are tracked. */
  pendingAwaits(): PendingAwait[] {
    const { awaits } = this;
    return awaits
      ? processState()
          .waits.openOf(awaits)
          .map((wait) => this.pendingAwait(wait, awaits.every))
      : [];
  }

  /** What was found to wait for ever since the start, as far as it was tracked; it is found when garbage is collected. */
  leakedAwaits(): readonly LeakedAwaits[] {
    return [...this.leaks.values()];
  }

  /**
   * Tells of waits by the one hook there is.
   *
   * @param every one wait in so many is told
   */
  observe(observer: WaitObserver, every: number): WaitSubscription {
    return processState().waits.subscribe(observer, every);
  }

  onModuleDestroy(): void {
    this.awaitRate.end();
  }

  /** Those tracked at another rate are forgotten: each stands for another number. */
  private track(every: number): void {
    this.awaits?.close();
    this.awaits = undefined;
    this.stopRequests?.();
    this.current.disable();
    if (every === 0) return;
    this.stopRequests = this.inFlight.observe({ began: (request) => this.current.enterWith(request) });
    this.awaits = this.observe(
      {
        began: (wait) => {
          const request = this.current.getStore();
          if (request) this.requestOf.set(wait, request);
        },
        lost: (wait) => this.leak(this.pendingAwait(wait, every)),
      },
      every,
    );
  }

  private pendingAwait(wait: Wait, weight: number): PendingAwait {
    const { id, state, since, stack } = wait;
    return { id, state, since, stack, weight, request: this.requestOf.get(wait) };
  }

  private leak(lost: PendingAwait): void {
    const { stack, request, weight } = lost;
    const key = `${this.numbers.of(stack)} ${request?.method} ${request?.route}`;
    const known = this.leaks.get(key);
    if (known) known.count += weight;
    else if (this.leaks.size < MOST_LEAKS) this.leaks.set(key, { first: lost, count: weight });
  }
}

/** Numbers for objects, each its own. */
class Numbers {
  private readonly known = new WeakMap<object, number>();
  private last = 0;

  of(object: object): number {
    let number = this.known.get(object);
    if (number === undefined) this.known.set(object, (number = ++this.last));
    return number;
  }
}
