// How long a contestant is inside of V8 (or its native addon): what it would cost without any JavaScript around it.
import { Session } from 'node:inspector';
import { createRequire } from 'node:module';
import { now } from './clock.mjs';

const NATIVE = {
  inspector: () => [Session.prototype, ['connect', 'post', 'disconnect']],
  pprof: (require) => [
    require('pprof/out/src/time-profiler-bindings.js'),
    ['startProfiling', 'stopProfiling'],
  ],
  '@datadog/pprof': (require) => [
    require('@datadog/pprof/out/src/time-profiler-bindings.js').TimeProfiler.prototype,
    ['start', 'stop', 'dispose'],
  ],
};

/**
 * Measures the native calls of what is named. Call it before the contestant is loaded.
 *
 * @param from the file that the packages are looked up from
 * @returns takes the calls since the last time: when each began, and the ms that it took
 */
export function probe(names, from) {
  let calls = [];
  for (const name of names) {
    const [holder, methods] = NATIVE[name](createRequire(from));
    for (const method of methods) {
      const native = holder[method];
      holder[method] = function measured(...args) {
        const begin = performance.now();
        const before = now();
        try {
          return Reflect.apply(native, this, args);
        } finally {
          collectFreed();
          calls.push({ begin, end: performance.now(), ms: now() - before });
        }
      };
    }
  }
  return () => {
    const taken = calls;
    calls = [];
    return taken;
  };
}

/**
 * glibc joins the pieces that were freed when it is next asked for more than a kilobyte, be it by JavaScript long after:
 * 45 ms for what the inspector frees of 100,000 samples.
 */
function collectFreed() {
  Buffer.allocUnsafeSlow(2048);
}

/** What those calls took, and V8's collections of garbage in them, which count once. */
export function nativeMs(calls, collections) {
  const garbage = collections.filter(({ startTime }) =>
    calls.some(({ begin, end }) => begin <= startTime && startTime < end),
  );
  return sumOf(calls.map(({ ms }) => ms)) - sumOf(garbage.map(({ duration }) => duration));
}

function sumOf(list) {
  return list.reduce((sum, value) => sum + value, 0);
}
