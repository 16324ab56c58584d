// How long a capture holds the event loop, by its own account and by V8's of its collections.
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

/** What a collection has to look at: it takes some 50 ms. */
const kept = Array.from({ length: 1_000_000 }, (_, i) => ({ i }));

const events = [];

async function collect() {
  const collections = [];
  const observer = new PerformanceObserver((list) => {
    collections.push(...list.getEntries().map(({ duration }) => duration));
  });
  observer.observe({ entryTypes: ['gc'] });
  const told = await watch(() => profiler.heapProfile({ gc: true }));
  while (collections.length === 0) await turn();
  observer.disconnect();
  return { kept: kept.length, longestGcMs: Math.max(...collections), ...told };
}

/** What operators are told of a capture, and how long its caller waited. */
async function watch(capture) {
  const begin = performance.now();
  await capture();
  const tookMs = performance.now() - begin;
  const { seconds, longestHoldMs } = events.at(-1);
  return { longestHoldMs, seconds, tookMs };
}

const sample = () => watch(() => profiler.cpuProfile({ seconds: 1 }));

// Without a heap sampler V8 has no other work.
const app = await serve(library, { collect, sample }, { memProfileRate: 0 });
const profiler = app.get(library.ProfilerService);
profiler.captures.subscribe((event) => events.push(event));
await announce(app);
