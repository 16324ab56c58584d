import { Injectable } from '@nestjs/common';
import { asyncHook, type ObservedWaits } from '../../sampling/async-hook.js';
import type { WaitObserver } from '../../sampling/wait-sample.js';
import { RequestsInFlight } from './requests-in-flight.js';

/**
 * Observes what asynchronous executions wait for. All observers in the process share one `async_hooks` hook, which is enabled only
 * while there are any.
 *
 * @publicApi
 */
@Injectable()
export class AsyncTracker {
  /** @internal */
  constructor(private readonly requests: RequestsInFlight) {}

  /**
   * Starts to observe waits.
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
