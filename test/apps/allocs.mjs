// Allocates and logs on order, and says when a window is open, what is collected, and how long captures held the event loop.
import { EventEmitter, once } from 'node:events';
import { Session } from 'node:inspector';
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

/** Console entries that a session discards: V8 keeps the arguments of `console.log` while one is connected, and after it. */
const discards = new EventEmitter();
const { post } = Session.prototype;
Session.prototype.post = function (method, ...rest) {
  post.call(this, method, ...rest);
  if (method === 'Runtime.discardConsoleEntries') discards.emit('discard');
};

function isAnyLoggedAlive() {
  collect();
  return logged.some((ref) => ref.deref());
}

const holds = [];

const app = await serve(library, {
  ...holders,
  ...churners,
  opened: () => until(() => openWindows > 0),
  closed: () => until(() => openWindows === 0),
  /** As soon as the next window is open. */
  stopInWindow: () => void windows.once('change', holders.stopSampling),
  /** Logs a hundred objects. */
  log() {
    for (let i = 0; i < 100; i++) {
      const object = { i };
      logged.push(new WeakRef(object));
      console.log(object);
    }
  },
  /** Answers when all of them can be collected. */
  async loggedCollected() {
    while (isAnyLoggedAlive()) await once(discards, 'discard');
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
