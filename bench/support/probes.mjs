// How long a contestant is inside of V8 (or its native addon): what it would cost without any JavaScript around it.
import { console as inspectorConsole, Session } from 'node:inspector';
import { createRequire } from 'node:module';
import { now } from './clock.mjs';

const NATIVE = {
  inspector: () => [Session.prototype, ['post', 'disconnect']],
  'inspector.console': () => [inspectorConsole, ['profile', 'profileEnd']],
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
 * @returns takes the milliseconds since the last time
 */
export function probe(names, from) {
  let spent = 0;
  for (const name of names) {
    const [holder, methods] = NATIVE[name](createRequire(from));
    for (const method of methods) {
      const native = holder[method];
      holder[method] = function measured(...args) {
        const before = now();
        try {
          return Reflect.apply(native, this, args);
        } finally {
          spent += now() - before;
        }
      };
    }
  }
  return () => {
    const taken = spent;
    spent = 0;
    return taken;
  };
}
