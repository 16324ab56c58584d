// A service for execution traces: waits of known causes that it measures itself, and random work. The tests look for the comments
// `// wait: …`, at whose lines requests wait.
import { execFile } from 'node:child_process';
import { pbkdf2 as pbkdf2Callback } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { EventEmitter, once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { PerformanceObserver } from 'node:perf_hooks';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import {
  Controller,
  Get,
  Param,
  ParseIntPipe,
  Post,
  Req,
  Sse,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import * as library from 'nestjs-pprof';
import { interval, map, take } from 'rxjs';
import serving from './serve.cjs';

const { TraceRegion, TraceTask, Tracer } = library;

const pbkdf2 = promisify(pbkdf2Callback);

/** Its waits are not those of the service. */
const slowServer = new Worker(new URL('waits/slow-server.cjs', import.meta.url));
const [ports] = await once(slowServer, 'message');

/** What the service has measured itself, by name: the ms of each. */
let measured = {};
const note = (name, begin, end = performance.now()) => (measured[name] ??= []).push(end - begin);

let collections = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries())
    collections.push({ begin: startTime, ms: duration });
}).observe({ entryTypes: ['gc'] });

function compute(ms) {
  for (const begin = performance.now(); performance.now() - begin < ms;);
}

/** So many connections, for any number of requests: who gives one back resolves the promise of the one that waits. */
class Pool {
  free = 2;
  waiting = [];

  async acquire() {
    if (this.free > 0) return void this.free--;
    const given = new Promise((resolve) => this.waiting.push(resolve));
    const begin = performance.now();
    await given; // wait: pool
    note('pool', begin);
  }

  release() {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}
const pool = new Pool();

const agent = new Agent({ keepAlive: true });

const sockets = await Promise.all(
  Array.from({ length: 16 }, async () => {
    const socket = connect(ports.tcp, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }),
);

/** What requests wait for, one thing each. The names are those of the lines. */
const waits = {
  async timer() {
    await delay(30); // wait: timer
  },
  async file() {
    const file = await open('/dev/null'); // wait: open
    for (let i = 0; i < 20; i++) await file.read(Buffer.alloc(1), 0, 1, null); // wait: read
    await file.close(); // wait: close
  },
  async threadPool() {
    await pbkdf2('secret', 'salt', 100_000, 64, 'sha512'); // wait: threadPool
  },
  async dns() {
    await lookup('localhost'); // wait: dns
  },
  async httpClient() {
    const response = await new Promise((resolve) => get({ port: ports.http, agent }, resolve)); // wait: httpClient
    response.resume();
    await once(response, 'end'); // wait: httpEnd
  },
  async fetch() {
    await fetch(`http://127.0.0.1:${ports.http}`); // wait: fetch
  },
  async socket() {
    const socket = connect(ports.tcp, '127.0.0.1');
    await new Promise((resolve) => socket.once('data', resolve).write('slow')); // wait: socket
    socket.destroy();
  },
  /** As clients of databases have it. */
  async usedSocket() {
    const socket = sockets.pop();
    await new Promise((resolve) => socket.once('data', resolve).write('slow')); // wait: usedSocket
    sockets.push(socket);
  },
  async all() {
    await Promise.all([delay(10), delay(40)]); // wait: all
  },
  async immediates() {
    for (let i = 0; i < 400; i++) await immediate(); // wait: immediates
  },
};

const wait = async (name) => {
  const waiting = waits[name](); // up to the first await
  const begin = performance.now();
  await waiting; // wait: caller
  note(name, begin);
};

/** 50 ms on a socket, 30 ms on a timer, and 20 ms of work. */
async function mixed() {
  const socket = connect(ports.tcp, '127.0.0.1');
  const answer = new Promise((resolve) => socket.once('data', resolve).write('slow'));
  let begin = performance.now();
  await answer; // wait: mixedSocket
  note('mixedSocket', begin);
  socket.destroy();
  const later = delay(30);
  begin = performance.now();
  await later; // wait: mixedTimer
  note('mixedTimer', begin);
  begin = performance.now();
  compute(20);
  note('mixedCompute', begin);
}

async function pooled() {
  await pool.acquire();
  await delay(10); // wait: query
  pool.release();
}

/** A generator of numbers from 0 to below 1. */
function randomFrom(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const emitter = new EventEmitter().setMaxListeners(0);

async function* parts(random) {
  for (let i = 0; i < 3; i++) {
    await anything(random, 3);
    yield i;
  }
}

/** Things that a request may do, each with more of them in it. */
const things = {
  timer: (random) => delay(random() * 20),
  async immediates() {
    for (let i = 0; i < 20; i++) await immediate();
  },
  file: () => readFile(import.meta.filename ?? new URL(import.meta.url).pathname),
  handle: waits.file,
  crypto: (random) => pbkdf2('secret', 'salt', Math.ceil(random() * 2000), 64, 'sha512'),
  dns: waits.dns,
  socket: waits.socket,
  fetch: waits.fetch,
  http: waits.httpClient,
  pooled,
  compute: (random) => compute(random() * 3),
  litter: () => void Array.from({ length: 20_000 }, (_, i) => ({ i })),
  ticks: () => new Promise((resolve) => process.nextTick(() => queueMicrotask(resolve))),
  regions: (random, depth) =>
    tracer.withRegion('outer', () => tracer.withRegion('inner', () => anything(random, depth))),
  parallel: (random, depth) =>
    Promise.all([1, 2, 3].map((i) => tracer.withRegion(`parallel ${i}`, () => anything(random, depth)))),
  race: (random, depth) => Promise.race([anything(random, depth), anything(random, depth)]),
  async openRegions(random, depth) {
    const [a, b] = [tracer.startRegion('a'), tracer.startRegion('b')];
    await anything(random, depth);
    a.end();
    await anything(random, depth);
    if (random() < 0.7) b.end();
  },
  async task(random, depth) {
    const task = tracer.newTask('a task');
    await task.run(() => anything(random, depth));
    tracer.log('category', 'message');
    if (random() < 0.7) task.end();
    task.end();
  },
  async detached(random, depth) {
    void Promise.resolve(anything(random, depth)).catch(() => {});
  },
  async generator(random) {
    for await (const part of parts(random)) void part;
  },
  stream: () => pipeline(Readable.from(['a', 'b', 'c'], { objectMode: false }), new PassThrough().resume()),
  child: () => promisify(execFile)('true'),
  async error(random, depth) {
    try {
      await anything(random, depth);
      throw new Error('as intended');
    } finally {
      await delay(1);
    }
  },
  async caught(random, depth) {
    await things.error(random, depth).catch(() => {});
  },
  interval: () =>
    new Promise((resolve) => {
      let left = 3;
      const timer = setInterval(() => {
        if (--left > 0) return;
        clearInterval(timer);
        resolve();
      }, 2);
    }),
  async event() {
    setTimeout(() => emitter.emit('event'), 3);
    await once(emitter, 'event');
  },
  async worker() {
    const worker = new Worker('setTimeout(() => {}, 5)', { eval: true });
    await once(worker, 'exit');
  },
};
const NAMES = Object.keys(things);

/** Those that start a process or a thread are rare. */
function anything(random, depth) {
  const name = NAMES[Math.floor(random() * NAMES.length)];
  if ((name === 'child' || name === 'worker') && random() > 0.1) return;
  if (depth <= 0 && things[name].length > 1) return;
  return things[name](random, depth - 1);
}

async function random(seed) {
  const next = randomFrom(seed);
  for (let i = 0; i < 4; i++) await anything(next, 3);
  return { seed };
}

class AsyncGuard {
  async canActivate() {
    const begin = performance.now();
    await delay(5); // wait: guard
    note('guard', begin);
    return true;
  }
}

class Around {
  intercept(context, next) {
    return next.handle().pipe(map((value) => ({ value })));
  }
}

class CatsService {
  async find() {
    const begin = performance.now();
    await delay(10); // wait: find
    note('find', begin);
  }

  async import() {
    const begin = performance.now();
    await delay(8); // wait: import
    note('import', begin);
  }

  async *each() {
    for (let i = 0; i < 3; i++) {
      await delay(2); // wait: each
      yield i;
    }
  }
}

class CatsController {
  cats = new CatsService();

  /** With two regions side by side, and a task. */
  async findOne(id) {
    const begin = performance.now();
    await tracer.withRegion('load', () => Promise.all([this.cats.find(), this.cats.find()])); // wait: load
    await this.cats.import(); // wait: importing
    for await (const one of this.cats.each()) void one; // wait: eachOne
    note('findOne', begin);
    return { id };
  }

  random(seed) {
    return random(seed);
  }

  ticks() {
    return interval(5).pipe(
      take(4),
      map((i) => ({ data: { i } })),
    );
  }

  async upload(request) {
    let bytes = 0;
    if (request.raw) return { bytes: request.body?.length };
    for await (const chunk of request) bytes += chunk.length;
    return { bytes };
  }

  hang() {
    return new Promise(() => {});
  }
}

const descriptorOf = ({ prototype }, key) => Object.getOwnPropertyDescriptor(prototype, key);
const decorate = (type, key, ...decorators) => {
  const descriptor = descriptorOf(type, key);
  for (const decorator of decorators) decorator(type.prototype, key, descriptor);
  Object.defineProperty(type.prototype, key, descriptor);
};
decorate(CatsService, 'find', TraceRegion('find a cat'));
decorate(CatsService, 'import', TraceTask('import cats'));
decorate(CatsService, 'each', TraceRegion('each cat'));
decorate(CatsController, 'findOne', Get('cats/:id'), UseGuards(AsyncGuard), UseInterceptors(Around));
decorate(CatsController, 'random', Get('random/:seed'));
decorate(CatsController, 'ticks', Sse('ticks'));
decorate(CatsController, 'upload', Post('upload'));
decorate(CatsController, 'hang', Get('hang'));
Param('id', ParseIntPipe)(CatsController.prototype, 'findOne', 0);
Param('seed', ParseIntPipe)(CatsController.prototype, 'random', 0);
Req()(CatsController.prototype, 'upload', 0);
for (const key of ['findOne', 'random'])
  Reflect.defineMetadata('design:paramtypes', [Number], CatsController.prototype, key);
Controller()(CatsController);

const workers = [];
/** Of the trace that is written. */
let chunks = [];

const handlers = {
  ...Object.fromEntries(Object.keys(waits).map((name) => [name, () => wait(name)])),
  mixed,
  pooled,
  startWorker() {
    workers.push(new Worker('setInterval(() => {}, 1000)', { eval: true, name: 'a worker' }));
  },
  async stopWorkers() {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  },
  /** Collects garbage, and has the sizes of the heap around the last time. */
  collect() {
    let before = 0;
    for (let i = 0; i < 3; i++) {
      things.litter();
      before = process.memoryUsage().heapUsed;
      globalThis.gc();
    }
    return { before, after: process.memoryUsage().heapUsed };
  },
  startTrace() {
    chunks = [];
    measured = {};
    collections = [];
    const stream = new Writable({
      write(chunk, encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    tracer.start(stream, { format: 'go' });
  },
  /** The trace, and what the service has seen itself. */
  async stopTrace() {
    const end = performance.now();
    await tracer.stop();
    await delay(50); // for what is observed
    const seen = collections.filter(({ begin }) => begin < end);
    return { trace: Buffer.concat(chunks).toString('base64'), measured, collections: seen };
  },
};

const app = await serving.serve(library, handlers, undefined, {
  imports: [{ module: class CatsModule {}, controllers: [CatsController] }],
});
const tracer = app.get(Tracer);
process.on('unhandledRejection', (error) => {
  if (error.message !== 'as intended') throw error;
});
await serving.announce(app);
