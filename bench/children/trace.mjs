import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import inspector from 'node:inspector';
import { Writable } from 'node:stream';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { createTracing } from 'node:trace_events';
import { Controller, Get } from '@nestjs/common';
import { createServer } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { now } from '../support/clock.mjs';
import { watch } from '../support/heartbeat.mjs';

/** None: without the module. */
const OPTIONS = { ours: {}, cold: { warm: 'off' }, unsampled: {} };
const BEAT_MS = 1;

const ASYNC_HOOKS = ['node.async_hooks'];
/** What is in our trace, as Node names it. */
const CATEGORIES = [
  ...ASYNC_HOOKS,
  'v8',
  'node.http',
  'node.net.native',
  'node.dns.native',
  'node.fs.async',
  'node.threadpoolwork.async',
  'devtools.timeline',
];

const NODES = {
  empty: emptyHooks,
  all: () => nodes(CATEGORIES),
  hooks: () => nodes(ASYNC_HOOKS),
  allToFile: () => toFile(CATEGORIES),
  hooksToFile: () => toFile(ASYNC_HOOKS),
};

/** Handlers that await so many times: another turn of the event loop and a timer, by turns. */
class WorkController {
  async none() {
    return this.result(0);
  }

  async few() {
    return this.result(await this.await(3));
  }

  async many() {
    return this.result(await this.await(20));
  }

  async await(count) {
    for (let i = 0; i < count; i++) await (i % 2 ? sleep(1) : turn());
    return count;
  }

  result(awaits) {
    return { awaits, items: ['one', 'two', 'three'] };
  }
}
for (const name of ['none', 'few', 'many']) {
  const { prototype } = WorkController;
  Get(name)(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
}
Controller()(WorkController);

await serveCommands(async ({ name, adapter }) => {
  const library = OPTIONS[name] && (await import('../../dist/esm/index.js'));
  const app = await createServer(adapter, [
    { module: class WorkModule {}, controllers: [WorkController] },
    ...(library ? [library.PprofModule.forRoot(OPTIONS[name])] : []),
  ]);
  const ours = library && app.get(library.Tracer, { strict: false });
  if (name === 'unsampled') ours.sampling = { ...ours.sampling, warm: undefined, cold: 'not for now' };
  const tracers = { off: () => ({ start() {}, stop() {} }), ...NODES, ...(ours && oursBy(ours)) };
  const url = await app.getUrl();
  let tracer;
  let before;
  let kept;

  const start = (mode) => {
    tracer = tracers[mode]();
    return tracer.start();
  };
  const micros = () => {
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };

  return {
    url: () => url,
    start,
    begin() {
      globalThis.gc({ type: 'minor' }); // of what came between two rounds
      before = process.cpuUsage();
    },
    /** CPU time of the whole process since `begin`, with the collection of the young garbage it left; in microseconds. */
    end() {
      globalThis.gc({ type: 'minor' });
      return micros();
    },
    /** Ends the trace; the CPU time that this takes, in microseconds. */
    async stop() {
      before = process.cpuUsage();
      await tracer.stop();
      return micros();
    },
    /** The longest hold of the event loop by the start of a trace, in ms. */
    async holdAtStart(mode) {
      globalThis.gc();
      await turn();
      return longest(await watch(() => start(mode)));
    },
    holdAtStop: async () => longest(await watch(() => tracer.stop())),
    /** The longest one meanwhile, whatever it is by. The beats are few: each is traced, too. */
    async holdWhile(ms) {
      let held = 0;
      let last = now();
      const beats = setInterval(() => {
        const time = now();
        held = Math.max(held, time - last - BEAT_MS);
        last = time;
      }, BEAT_MS);
      await sleep(ms);
      clearInterval(beats);
      return held;
    },
    rss: () => process.memoryUsage.rss(),
    /** What is left when all garbage is collected, in bytes. */
    async memory() {
      for (let i = 0; i < 3; i++) {
        globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
        await turn();
      }
      const { rss, heapUsed } = process.memoryUsage();
      return { rss, heapUsed };
    },
    /** Starts a trace whose events are kept, for `write`. */
    async keep() {
      const { TraceOrder } = await import('../../dist/esm/format/trace-order.js');
      const { add } = TraceOrder.prototype;
      kept = [];
      TraceOrder.prototype.add = function (event) {
        kept.push(event);
        add.call(this, event);
      };
      start('go');
      const { stop } = tracer;
      tracer.stop = async () => {
        await stop();
        TraceOrder.prototype.add = add;
      };
    },
    /** Writes them once more, in one go: how many they are, the bytes and the time, in ms. */
    async write(format) {
      const { TraceOrder } = await import('../../dist/esm/format/trace-order.js');
      const { traceOutput } = await import('../../dist/esm/profiling/trace/trace-output.js');
      globalThis.gc();
      const begin = now();
      const output = traceOutput(format, []);
      const order = new TraceOrder((event) => output.add(event));
      for (const event of kept) order.add(event);
      let bytes = 0;
      for (const piece of [...output.take(), ...output.rest()]) bytes += piece.length;
      return { events: kept.length, bytes, ms: now() - begin };
    },
  };
});

/** The traces of the library, written to nowhere. */
function oursBy(tracer) {
  const by = (format) => () => ({
    start: () => tracer.start(new Writable({ write: (chunk, encoding, done) => done() }), { format }),
    stop: () => tracer.stop(),
  });
  return { go: by('go'), json: by('json') };
}

/** What ours begins with. */
function emptyHooks() {
  const hook = createHook({ init() {}, before() {}, after() {}, promiseResolve() {} });
  return { start: () => void hook.enable(), stop: () => void hook.disable() };
}

/** Node's own, by the inspector. */
function nodes(includedCategories) {
  const session = new inspector.Session();
  session.on('NodeTracing.dataCollected', () => {}); // it is made for a listener
  return {
    async start() {
      session.connect();
      await post(session, 'NodeTracing.start', { traceConfig: { includedCategories } });
    },
    async stop() {
      const complete = once(session, 'NodeTracing.tracingComplete');
      await post(session, 'NodeTracing.stop');
      await complete;
      session.disconnect();
    },
  };
}

/** Node's own, into files in the working directory. */
function toFile(categories) {
  const tracing = createTracing({ categories });
  return { start: () => tracing.enable(), stop: () => tracing.disable() };
}

function post(session, method, params) {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => (error ? reject(error) : resolve(result)));
  });
}

function longest({ gaps }) {
  return Math.max(...gaps);
}
