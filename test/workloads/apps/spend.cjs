'use strict';
const { setFlagsFromString } = require('node:v8');

// V8's profilers do not know code that was compiled by on-stack replacement before they started, and
// count its time for the caller (docs/profiles.md). Where shares are to be told without a collection there is none.
if (!process.env.OSR) setFlagsFromString('--no-use-osr');

/** How long the event loop waits for a turn, in ms. */
const SLICE = 5;

/** A run that takes so many times as long as the fastest one was interrupted: others had the CPU, which no sampler counts. */
const PREEMPTED = 4;

/** A function of its own: Node 24 tells for a call in an optimized loop the line of the loop's head. */
function runOnce({ run }, seed) {
  run(seed); // the call
  return seed;
}
// Node 22 tells the line of a call in code that V8 has optimized, and that of the function where it has not yet.
const trifles = Array.from({ length: 8 }, (_, i) => ({ run: new Function('seed', `return seed + ${i}`) }));
for (let i = 0; i < 200_000; i++) runOnce(trifles[i % trifles.length], i);

/**
 * Keeps the thread busy for good. Each time the job runs that is furthest behind its share of the time so far, so in
 * any longer window the shares are exact. It calls through an array, which V8 does not inline.
 *
 * @param jobs `{ share, run }`, whose shares sum up to 1
 */
module.exports = function spend(jobs) {
  const spent = jobs.map(() => 0);
  let fastest = Infinity;

  function furthestBehind() {
    let found = 0;
    for (let i = 1; i < jobs.length; i++) {
      if (spent[i] / jobs[i].share < spent[found] / jobs[found].share) found = i;
    }
    return found;
  }

  function turn() {
    const begin = performance.now();
    for (let now = begin; now - begin < SLICE;) {
      const next = furthestBehind();
      runOnce(jobs[next], next);
      const after = performance.now();
      fastest = Math.min(fastest, after - now);
      spent[next] += Math.min(after - now, PREEMPTED * fastest);
      now = after;
    }
    setImmediate(turn);
  }
  turn();
};
