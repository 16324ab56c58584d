import { AsyncLocalStorage, createHook, executionAsyncId } from 'node:async_hooks';
import { AsyncWaits } from './async-waits.js';
import type { Wait, WaitObserver } from './wait-sample.js';
import { perProcess } from './process-state.js';
import { StackTable } from './stack-table.js';

/** What an observer has sampled. */
export interface ObservedWaits {
  /** Those that have not ended, the oldest first. */
  pending(): Iterable<Wait>;
  /**
   * Reports those that can never end, to be called after a garbage collection. Yields now and then.
   *
   * @internal
   */
  findLost(): Generator<void, void>;
  /** Ends the observation; the last one that ends switches the hook off. */
  stop(): void;
}

/**
 * The one `async_hooks` hook of the process. It is on while somebody needs it. It has no `destroy`, which would make every
 * promise three times as dear; what is collected is noticed by weak references.
 */
class AsyncHook {
  private readonly contexts = new AsyncLocalStorage<unknown>();
  private readonly stacks = new StackTable();
  private readonly waits = new AsyncWaits({
    now: () => performance.now(),
    random: Math.random,
    executionAsyncId,
    context: () => this.contexts.getStore(),
    stackOf: (hook) => this.stacks.stackOf(hook),
    ref: (resource) => new WeakRef(resource),
  });
  private readonly hook = createHook({
    init: this.waits.init,
    before: this.waits.before,
    promiseResolve: this.waits.promiseResolve,
  });

  get isOn(): boolean {
    return this.waits.samples.length > 0;
  }

  observe(observer: WaitObserver): ObservedWaits {
    const sample = this.waits.join(observer);
    this.hook.enable();
    return {
      pending: () => sample.pending(),
      findLost: () => sample.findLost(),
      stop: () => {
        this.waits.leave(sample);
        if (this.isOn) return;
        this.hook.disable();
        this.contexts.disable();
      },
    };
  }

  /** What is executing now, and all that it starts, is for a context. Does nothing while the hook is off. */
  enter(context: object): void {
    if (this.isOn) this.contexts.enterWith(context);
  }
}

/** The process's one. */
export function asyncHook(): AsyncHook {
  return perProcess('async-hook', () => new AsyncHook());
}
