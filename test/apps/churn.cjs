'use strict';
// Allocates by functions whose names profiles are asked for: what dies at once, and what stays.

const KB = 2 ** 10;
const CHURNED = 200 * KB;
const KEPT = 20 * KB;
/** V8 would allocate the result of constants once. */
const SEEDS = [1n, 2n, 3n, 4n];
const kept = {
  before: Array.from({ length: KEPT }),
  inWindow: Array.from({ length: KEPT }),
  last: undefined,
};

/** An object of exactly 1 KB each time round and no other: a BigInt of 126 digits of 8 bytes behind 16 bytes of header. */
function churnObjects() {
  for (let i = 0; i < CHURNED; i++) kept.last = SEEDS[i & 3] << 8000n;
}

function keepObjects() {
  for (let i = 0; i < KEPT; i++) kept.inWindow[i] = SEEDS[i & 3] << 8000n;
}

function churnBefore() {
  for (let i = 0; i < CHURNED; i++) kept.last = SEEDS[i & 3] << 8000n;
}

function keepBefore() {
  for (let i = 0; i < KEPT; i++) kept.before[i] = SEEDS[i & 3] << 8000n;
}

/** One of 2^24 stacks. */
function left(depth) {
  return depth === 0 ? allocate() : Math.random() < 0.5 ? left(depth - 1) : right(depth - 1);
}

function right(depth) {
  return depth === 0 ? allocate() : Math.random() < 0.5 ? left(depth - 1) : right(depth - 1);
}

function allocate() {
  for (let i = 0; i < 16; i++) kept.last = SEEDS[i & 3] << 8000n;
}

module.exports = {
  /** What must not be in a window that opens afterwards. */
  before() {
    churnBefore();
    keepBefore();
  },
  /** What must be in a window that is open. */
  work() {
    churnObjects();
    keepObjects();
  },
  /** From now on a thousand random stacks per second allocate 16 KB each. */
  recurse() {
    setInterval(() => {
      for (let i = 0; i < 10; i++) left(24);
    }, 10);
  },
};
