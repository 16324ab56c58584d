// Allocates on order, and says when a window is open, how much memory is in use, and how long captures held the event loop.
import { EventEmitter, once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import churners from './churn.cjs';
import holders from './hold.cjs';
import { announce, serve } from './serve.cjs';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const windows = new EventEmitter();
const opened = once(windows, 'opened');
const holds = [];

const app = await serve(library, {
  ...holders,
  ...churners,
  /** A window has been opened. */
  opened: async () => void (await opened),
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
    windows.emit('opened');
    return window;
  };
}
await announce(app);
