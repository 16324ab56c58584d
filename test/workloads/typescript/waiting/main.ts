/*
 * An application whose requests wait. What the tests ask of it beside its routes are orders: `POST /<name>`.
 */
import { AsyncResource, createHook, executionAsyncId } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { announce, pprofOptions, serve } from '../../apps/serve.cjs';
import { CatsController, catOrders } from './cats.js';
import { LeaksController, leakOrders } from './leaks.js';
import { WaitsController } from './waits.js';
import { WaysController, wayOrders } from './ways.js';

/** What is used of the service in code. */
interface Profiler {
  setBlockProfileRate(every: number): number;
  setGoroutineProfileRate(every: number): number;
}

const { OWN_HOOK } = process.env;
const library = (await import('nestjs-pprof' as string)) as object; // no types, which are there only after a build

const hooked = { init: 0, before: 0, after: 0, destroy: 0 };
if (OWN_HOOK) {
  createHook({
    init: () => hooked.init++,
    before: () => hooked.before++,
    after: () => hooked.after++,
    destroy: () => hooked.destroy++,
  }).enable();
}

let survived = 0;
process.on('uncaughtException', () => survived++);

function fail(): never {
  throw new Error('nobody catches this');
}

const orders = {
  ...catOrders,
  ...leakOrders,
  ...wayOrders,
  hooked: (): typeof hooked => hooked,
  /** Only while a hook is on is the reaction of each promise an execution of its own. */
  async isHooked(): Promise<{ is: boolean }> {
    await Promise.resolve();
    const first = executionAsyncId();
    await Promise.resolve();
    return { is: executionAsyncId() !== first };
  },
  /** From a callback, within another one, and after an `await`. */
  throwUncaught(): void {
    setTimeout(fail);
    const resource = new AsyncResource('test');
    process.nextTick(() => resource.runInAsyncScope(() => new EventEmitter().on('x', fail).emit('x')));
    void setImmediate().then(fail);
  },
  survived: (): { survived: number } => ({ survived }),
  async memory(): Promise<{ used: number }> {
    for (let turn = 0; turn < 5; turn++) {
      globalThis.gc!();
      await setImmediate();
    }
    return { used: process.memoryUsage().heapUsed };
  },
  resources: (): string[] => process.getActiveResourcesInfo(),
  blockOff: (): { old: number } => ({ old: profiler.setBlockProfileRate(0) }),
  blockAll: (): { old: number } => ({ old: profiler.setBlockProfileRate(1) }),
  block16: (): { old: number } => ({ old: profiler.setBlockProfileRate(16) }),
  goroutineOff: (): { old: number } => ({ old: profiler.setGoroutineProfileRate(0) }),
  goroutineAll: (): { old: number } => ({ old: profiler.setGoroutineProfileRate(1) }),
};

class WaitingModule {}

const app = await serve(library, orders, pprofOptions(), {
  imports: [
    {
      module: WaitingModule,
      controllers: [CatsController, LeaksController, WaitsController, WaysController],
    },
  ],
});
const profiler = app.get<Profiler>((library as { readonly ProfilerService: unknown }).ProfilerService);
await announce(app);
