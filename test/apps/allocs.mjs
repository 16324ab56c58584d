// Allocates and logs on order, and says when a window is open, what is retained, and how long captures held the event loop.
import { EventEmitter, once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import churners from './churn.cjs';
import holders from './hold.cjs';
import { announce, serve } from './serve.cjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const windows = new EventEmitter();
let openWindows = 0;

function count(change) {
  openWindows += change;
  windows.emit('change');
}

async function until(condition) {
  while (!condition()) await once(windows, 'change');
}

const logged = [];

/** V8 keeps the arguments of these while a session with the inspector is connected, and after it. */
const METHODS = ['log', 'error', 'warn', 'info', 'debug', 'dir', 'table', 'trace', 'assert', 'group'];

/** At a stretch, so that nothing else runs in between, more than the heap has room for; and by each method. */
function log() {
  for (let i = 0; i < 4; i++) console.log({ big: Array(1_500_000) }); // 12 MB
  for (const method of METHODS) {
    const object = { method };
    logged.push(new WeakRef(object));
    console[method](...(method === 'assert' ? [false] : []), object);
  }
}

/** How many of the logged objects are alive. */
function loggedAlive() {
  collect();
  return logged.filter((ref) => ref.deref()).length;
}

const holds = [];

const app = await serve(library, {
  ...holders,
  ...churners,
  opened: () => until(() => openWindows > 0),
  closed: () => until(() => openWindows === 0),
  /** As soon as the next window is open. */
  stopInWindow: () => void windows.once('change', holders.stopSampling),
  log,
  loggedAlive,
  /** The same while the inspector samples the CPU: how many are alive before that ends. */
  async logInCapture() {
    const end = new AbortController();
    const captured = profiler.cpuProfile({ seconds: 300, sampler: 'inspector', signal: end.signal });
    await turn(); // it has begun
    log();
    await turn();
    const alive = loggedAlive();
    end.abort();
    await captured;
    return alive;
  },
  memory() {
    collect();
    const { heapUsed, rss } = process.memoryUsage();
    return { heapUsed, rss };
  },
  /** Those since the last time, in ms. */
  holds: () => holds.splice(0),
});
const profiler = app.get(library.ProfilerService);
profiler.captures.subscribe(({ longestHoldMs }) => holds.push(longestHoldMs));
for (const profile of profiler.profiles()) {
  const openWindow = profile.openWindow.bind(profile);
  profile.openWindow = async () => {
    const window = await openWindow();
    count(1);
    const close = window.close.bind(window);
    window.close = () => {
      close();
      count(-1);
    };
    return window;
  };
}
await announce(app);
