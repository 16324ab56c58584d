// Who takes part: by name, how to load it in a process of its own, and how it starts, stops and gives bytes.
//
// load({ hz, sink }) gives
//   imports        modules for the Nest application
//   ready(app)     called when that is up
//   start()        starts a capture of the CPU
//   stop()         ends it
//   encode(result) makes bytes of what stop gave; left out where stop has made them
//   always()       what one calls at start-up to have it on all the time, where that is its way
//   heap           { start(), read() → bytes } where it reads the heap apart
//
// `probes` names the native parts whose time can be told apart; `lacks` says what it has no figure for, and why;
// `readsHeap` is false where its heap profile cannot be asked for by itself.
import inspector from 'node:inspector';
import { createRequire } from 'node:module';
import { madeUpSamples } from './made-up-samples.mjs';

const require = createRequire(import.meta.url);
const ROOT = new URL('../../', import.meta.url).href;
const IN_PROCESS = ['inspector', 'inspector.console'];
const HEAP = { rate: 512 * 1024, depth: 64 };

export const CONTESTANTS = {
  'ours (inspector)': {
    load: () => ours({ sampler: 'inspector', warm: 'off' }),
    probes: IN_PROCESS,
    from: ROOT,
  },
  'ours (pprof)': {
    load: () => ours({ sampler: 'pprof', warm: 'off' }),
    probes: ['inspector', 'pprof'],
    from: ROOT,
  },
  'node:inspector': { load: nodeInspector, probes: ['inspector'], lacks: { after: 'no profile' } },
  "pprof's native call": { load: pprofNative, probes: ['pprof'], lacks: { after: 'no profile' } },
  pprof: { load: pprof, probes: ['pprof'] },
  '@datadog/pprof': { load: datadog, probes: ['@datadog/pprof'] },
  '@pyroscope/nodejs': { load: pyroscope, probes: [], readsHeap: false },
  '@platformatic/flame': { load: flame, probes: [], lacks: { after: 'part of stop' }, readsHeap: false },
};

/** V8's profiler goes on running between captures. */
export const RUNNING = {
  'ours (warm)': { load: () => ours({}), probes: IN_PROCESS, from: ROOT },
  '@datadog/pprof, restart': {
    load: datadogRestart,
    probes: ['@datadog/pprof'],
    lacks: { start: 'same as stop' },
  },
};

/** The default sampler, as it was before V8's profiler could go on running. */
const OFF = { 'ours (off)': { load: () => ours({ warm: 'off' }) } };

/** It runs whether somebody captures or not. */
export const ALWAYS = {
  'ours (always)': { load: () => ours({ warm: 'always' }), probes: IN_PROCESS, from: ROOT },
  'ours (flight recorder)': {
    load: () => ours({ warm: 'always', flightRecorder: { seconds: 60, hz: 100 } }),
    probes: IN_PROCESS,
    from: ROOT,
  },
};

/** They look for what holds the event loop, from start to stop, where it is longer than 50 ms. */
export const WATCHING = {
  'ours (mutex)': { load: oursWatching },
  'blocked-at': { load: blockedAt },
};

/** Ours again, with samples that no V8 has taken; at more than 1000 Hz. */
export const MADE_UP = 'ours, 100,000 made-up stacks';

export const ALL = {
  ...CONTESTANTS,
  ...RUNNING,
  ...OFF,
  ...ALWAYS,
  ...WATCHING,
  [MADE_UP]: {
    load: () => ours({ sampler: 'inspector', warm: 'off' }, madeUp),
    probes: [],
    from: ROOT,
  },
};

async function ours(options, otherSampling = faster) {
  const { CpuProfiler, PprofModule, ProfilerService } = await import('../../dist/esm/index.js');
  let profiler;
  let cpuProfiler;
  let sampling;
  return {
    imports: [PprofModule.forRoot(options)],
    ready(app) {
      profiler = app.get(ProfilerService, { strict: false });
      cpuProfiler = app.get(CpuProfiler, { strict: false });
      sampling = cpuProfiler.sampling;
    },
    start({ hz }) {
      if (hz > 1000) cpuProfiler.sampling = otherSampling(sampling, hz);
      profiler.startCpuProfile({ hz: Math.min(hz, 1000) });
    },
    stop: () => profiler.stopCpuProfile(),
    encode: (captured) => captured.encode(),
    heap: { start() {}, read: async () => (await profiler.heapProfile()).encode() },
  };
}

async function oursWatching() {
  const { PprofModule, ProfilerService } = await import('../../dist/esm/index.js');
  let profiler;
  return {
    imports: [PprofModule.forRoot()],
    ready(app) {
      profiler = app.get(ProfilerService, { strict: false });
    },
    start: () => profiler.setMutexProfileThreshold(50),
    stop: () => profiler.setMutexProfileThreshold(0),
    /** How long the holds so far were, and how much of that has the function on its stack, in ms. */
    async found(name) {
      const { samplesOf } = await import('../../dist/esm/index.js');
      const { profile } = await profiler.lookup('mutex').collect();
      const found = { ms: 0, namedMs: 0 };
      for (const { stack, values } of samplesOf(profile)) {
        const ms = Number(values[1]) / 1e6;
        found.ms += ms;
        if (stack.some((frame) => frame.name === name)) found.namedMs += ms;
      }
      return found;
    },
  };
}

const total = (holds) => holds.reduce((sum, { ms }) => sum + ms, 0);

function blockedAt() {
  const blocked = require('blocked-at');
  const found = [];
  let watch;
  return {
    start() {
      watch = blocked((ms, stack) => found.push({ ms, stack: stack.join('\n') }), { threshold: 50 });
    },
    stop: () => watch.stop(),
    found(name) {
      const named = found.filter(({ stack }) => stack.includes(name));
      return { ms: total(found), namedMs: total(named) };
    },
  };
}

/** The API takes up to 1000 Hz: for many samples in little time its sampler is told another rate. */
function faster(sampling, hz) {
  return { ...sampling, cpu: { ...sampling.cpu, start: () => sampling.cpu.start(hz) } };
}

/** Samples that are made up, in place of V8's. */
function madeUp(sampling) {
  const samples = madeUpSamples();
  return { ...sampling, cpu: { ...sampling.cpu, start: () => ({ stop: () => givenAtOnce(samples) }) } };
}

/** In the form of work that yields now and then. */
function* givenAtOnce(samples) {
  yield;
  return samples;
}

/** V8 itself, by way of Node: no bytes are made. */
function nodeInspector() {
  const session = new inspector.Session();
  const post = (method, params) => {
    let answer;
    session.post(method, params, (error, result) => {
      if (error) throw error;
      answer = result;
    });
    return answer;
  };
  return {
    start({ hz }) {
      session.connect();
      post('Profiler.enable');
      post('Profiler.setSamplingInterval', { interval: 1e6 / hz });
      post('Profiler.start');
    },
    stop() {
      const { profile } = post('Profiler.stop');
      session.disconnect();
      return profile;
    },
    heap: {
      start() {
        session.connect();
        post('HeapProfiler.startSampling', { samplingInterval: HEAP.rate, stackDepth: HEAP.depth });
      },
      read: () => post('HeapProfiler.getSamplingProfile').profile,
    },
  };
}

/** V8 itself, by way of pprof's addon: no bytes are made. */
function pprofNative() {
  const native = require('pprof/out/src/time-profiler-bindings.js');
  let name = 0;
  return {
    start({ hz }) {
      native.setSamplingInterval(1e6 / hz);
      native.startProfiling(`bench ${++name}`, true);
    },
    stop: () => native.stopProfiling(`bench ${name}`, true),
  };
}

function pprof() {
  const { time, heap, encode } = require('pprof');
  let stop;
  return {
    start({ hz }) {
      stop = time.start(1e6 / hz, undefined, undefined, true);
    },
    stop: () => stop(),
    encode,
    heap: { start: () => heap.start(HEAP.rate, HEAP.depth), read: () => encode(heap.profile()) },
  };
}

function datadog() {
  const { time, heap, encode } = require('@datadog/pprof');
  return {
    start: ({ hz }) => time.start({ intervalMicros: 1e6 / hz, lineNumbers: true }),
    stop: () => time.stop(),
    encode,
    heap: { start: () => heap.start(HEAP.rate, HEAP.depth), read: () => encode(heap.profile()) },
  };
}

/** The next profile begins as this one ends, so only the first start is one. */
function datadogRestart() {
  const { time } = require('@datadog/pprof');
  const { start, ...rest } = datadog();
  return { ...rest, start: (options) => time.isStarted() || start(options), stop: () => time.stop(true) };
}

/** A continuous profiler: what it gives it sends by HTTP, so the sending is in its stop. */
function pyroscope({ hz, sink, flushIntervalMs = 600_000 }) {
  const { default: client } = require('@pyroscope/nodejs');
  client.init({
    appName: 'bench',
    serverAddress: sink,
    flushIntervalMs,
    wall: { samplingIntervalMicros: 1e6 / hz },
  });
  return {
    always: () => client.start(),
    start: () => client.startWallProfiling(),
    stop: () => client.stopWallProfiling(),
  };
}

/** Its signal's handler starts and stops; it samples CPU at 1000 Hz and the heap, and stop writes both as files. */
function flame() {
  require('@platformatic/flame/preload.js');
  return { always: toggleFlame, start: toggleFlame, stop: toggleFlame };
}

function toggleFlame() {
  process.emit('SIGUSR2');
}
