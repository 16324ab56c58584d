'use strict';
const { setFlagsFromString } = require('node:v8');

// V8's profilers do not know code that was compiled by on-stack replacement before they started, and
// count its time for the caller (docs/profiles.md). Here shares are to be told, so there is none.
setFlagsFromString('--no-use-osr');

/** How long the event loop waits for a turn, in ms. */
const SLICE = 5;

/** Of this thread, where Node tells that: it stands still while the thread waits for the CPU. */
const cpuUsage = process.threadCpuUsage ?? process.cpuUsage;
function cpuMicros() {
  const { user, system } = cpuUsage.call(process);
  return user + system;
}

/** A function of its own: Node 24 tells for a call in an optimized loop the line of the loop's head. */
function runOnce({ run }, seed) {
  run(seed); // the call
  return seed;
}

/**
 * Keeps the thread busy for good. Each time the job runs that is furthest behind its share of the CPU time so far, so in
 * any longer window the shares are exact. It calls through an array, which V8 does not inline.
 *
 * @param jobs `{ share, run }`, whose shares sum up to 1
 */
module.exports = function spend(jobs) {
  const spent = jobs.map(() => 0);

  function furthestBehind() {
    let found = 0;
    for (let i = 1; i < jobs.length; i++) {
      if (spent[i] / jobs[i].share < spent[found] / jobs[found].share) found = i;
    }
    return found;
  }

  function turn() {
    let before = cpuMicros();
    for (const until = performance.now() + SLICE; performance.now() < until;) {
      const next = furthestBehind();
      runOnce(jobs[next], next);
      const after = cpuMicros();
      spent[next] += after - before;
      before = after;
    }
    setImmediate(turn);
  }
  turn();
};
