import { Injectable } from '@nestjs/common';
import { asyncHook, type ObservedWaits } from '../../sampling/async-hook.js';
import type { WaitObserver } from '../../sampling/wait-sample.js';
import { RequestsInFlight } from './requests-in-flight.js';

/**
 * Observes what asynchronous executions wait for, by one `async_hooks` hook for all of the process. It is on only while
 * somebody observes.
 *
 * @publicApi
 */
@Injectable()
export class AsyncTracker {
  /** @internal */
  constructor(private readonly requests: RequestsInFlight) {}

  /**
   * Observes waits from now on.
   *
   * @example
   * const observed = tracker.observe({ rate: 16, callbacks: false, ended: (wait, ms) => waits.push([wait.stack, ms]) });
   * setTimeout(() => observed.stop(), 60_000);
   */
  observe(observer: WaitObserver): ObservedWaits {
    const hook = asyncHook();
    const observed = hook.observe(observer);
    const forget = this.requests.listen({ begin: (request) => hook.enter(request) });
    return {
      ...observed,
      stop() {
        forget();
        observed.stop();
      },
    };
  }
}
