'use strict';
const { Session } = require('node:inspector');

const OBJECTS = Number(process.env.OBJECTS ?? 102_400);
const BUFFERS = 50;
const kept = { objects: undefined, buffers: undefined };

/** One object of exactly 1 KB each time round: a BigInt of 126 digits of 8 bytes behind 16 bytes of header. */
function holdObjects() {
  const held = [];
  for (let i = 1; i <= OBJECTS; i++) held.push(BigInt(i) << 8000n);
  return held;
}

function holdBuffers() {
  return Array.from({ length: BUFFERS }, () => Buffer.alloc(2 ** 20));
}

/** What others do to V8's one heap sampler: tools, agents, other profilers. */
function withOtherSession(act) {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.startSampling');
  act(session);
}

/** Rates of others, lower and higher than the module's. */
const LOWER = 16_384;
const HIGHER = 65_536;

/** A session of someone who stays. */
const other = new Session();
const otherStarts = (samplingInterval = LOWER) => {
  other.connect();
  other.post('HeapProfiler.startSampling', { samplingInterval });
};
/** It stops V8's sampler by that, whoever started it. */
const otherDisconnects = () => other.disconnect();
const otherTakesOver = (samplingInterval) => {
  otherDisconnects(); // which does nothing where it is not connected
  otherStarts();
  otherDisconnects();
  otherStarts(samplingInterval);
};

/** The package pprof, as an agent uses it. */
const pprofStarts = (rate = LOWER) => require('pprof').heap.start(rate, 64);
const pprofStops = () => require('pprof').heap.stop();
const pprofTakesOver = (rate) => {
  pprofStops();
  pprofStarts(rate);
};

module.exports = {
  hold() {
    kept.objects = holdObjects();
    return { count: OBJECTS, bytes: OBJECTS * 1024 };
  },
  drop: () => void Object.assign(kept, { objects: undefined, buffers: undefined }),
  holdBuffers() {
    kept.buffers = holdBuffers();
    return { bytes: kept.buffers.reduce((sum, { byteLength }) => sum + byteLength, 0) };
  },
  stopSampling: () =>
    withOtherSession((session) => {
      session.post('HeapProfiler.stopSampling');
      session.disconnect();
    }),
  disconnect: () => withOtherSession((session) => session.disconnect()),
  otherStarts: () => otherStarts(),
  otherStops: () => other.post('HeapProfiler.stopSampling'),
  otherDisconnects,
  otherTakesOver: () => otherTakesOver(),
  otherTakesOverHigher: () => otherTakesOver(HIGHER),
  pprofStarts: () => pprofStarts(),
  pprofStops,
  pprofTakesOver: () => pprofTakesOver(),
  pprofTakesOverHigher: () => pprofTakesOver(HIGHER),
};
