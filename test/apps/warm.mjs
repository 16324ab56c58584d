// The ESM and the CommonJS copy of the library, each in an application of its own, in a process that keeps V8's profiler warm.
// It counts sessions with the inspector, and the profiles of the library's that run in one.
import inspector from 'node:inspector';
import { createRequire } from 'node:module';
import { setImmediate as turn } from 'node:timers/promises';
import { finalize } from 'rxjs';

const open = { sessions: 0, profiles: 0 };
count(inspector.Session.prototype, { connect: 1, disconnect: -1 }, 'sessions');
count(inspector.console, { profile: 1, profileEnd: -1 }, 'profiles');

/** Counts what a method begins and another one ends. */
function count(holder, methods, what) {
  for (const [name, step] of Object.entries(methods)) {
    const method = holder[name];
    holder[name] = function (...args) {
      method.apply(this, args);
      open[what] += step;
    };
  }
}

const esm = await import('nestjs-pprof');
const cjs = createRequire(import.meta.url)('nestjs-pprof');
const { announce, pprofOptions, serve } = (await import('./serve.cjs')).default;

const running = { captures: 0 };
const watch = {
  intercept(_, next) {
    running.captures++;
    return next.handle().pipe(finalize(() => running.captures--));
  },
};

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Until it has taken so much CPU time, a piece at each turn of the loop. */
async function burnInTurns(ms) {
  for (const until = cpuMs() + ms; cpuMs() < until; await turn()) burn();
}

function burnInCapture() {
  for (const until = cpuMs() + 100; cpuMs() < until;) burn();
}

function burn() {
  let sum = 0;
  for (let i = 0; i < 1_000_000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

async function untilCapturing() {
  while (running.captures === 0) await turn();
}

const handlers = {
  burn: () => burnInTurns(100),
  burnInCapture,
  capturing: untilCapturing,
  /** What is open when profiles that have ended are handed out. */
  async open() {
    for (let turns = 0; open.profiles > 1 && turns < 1000; turns++) await turn();
    return open;
  },
  /** What the application may do itself, during a capture: the second `profileEnd` ends the last profile of every session. */
  async ownProfile() {
    await untilCapturing();
    console.profile('x');
    burn();
    console.profileEnd('x');
    console.profileEnd();
    await burnInTurns(400); // until the library has begun another one
  },
  closeFirst: () => first.close(),
  closeAll() {
    process.stdin.destroy(); // nothing else keeps the process
    process.once('exit', () => console.log(`open at exit: ${JSON.stringify(open)}`));
    setImmediate(() => Promise.all([first.close(), second.close()]));
  },
};
const options = { ...pprofOptions(), interceptors: [watch] };
const first = await serve(esm, handlers, options);
const second = await serve(cjs, handlers, options);
await announce(first, second);
