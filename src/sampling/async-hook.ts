import { AsyncLocalStorage, createHook, executionAsyncId } from 'node:async_hooks';
import { AsyncWaits } from './async-waits.js';
import type { Wait, WaitObserver } from './wait-sample.js';
import { perProcess } from './process-state.js';
import { StackTable } from './stack-table.js';

/** An observation in progress. */
export interface ObservedWaits {
  /** The sampled waits that have not ended, oldest first. */
  pending(): Iterable<Wait>;
  /**
   * Reports waits that can never end; call it after a garbage collection. Yields now and then.
   *
   * @internal
   */
  findLost(): Generator<void, void>;
  /** Ends the observation. The hook is disabled when the last observation ends. */
  stop(): void;
}

/**
 * The only `async_hooks` hook of the process, enabled while it is needed. It has no `destroy` callback, which would triple the cost of
 * every promise; weak references detect collected promises instead.
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

  /** Sets the context of the running code and of everything that it starts. Does nothing while the hook is disabled. */
  enter(context: object): void {
    if (this.isOn) this.contexts.enterWith(context);
  }
}

/** The hook of the process. */
export function asyncHook(): AsyncHook {
  return perProcess('async-hook', () => new AsyncHook());
}
