'use strict';
const { Session } = require('node:inspector');

const OBJECTS = 102_400;
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
};
