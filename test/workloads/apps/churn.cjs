'use strict';
// Allocates by functions whose names profiles are asked for: what dies at once, and what stays.

const KB = 2 ** 10;
const kept = {
  before: undefined,
  inWindow: undefined,
  more: undefined,
  hidden: undefined,
  odd: undefined,
  turns: [],
  last: undefined,
};

/** Objects of exactly 1 KB: BigInts of 126 digits of 8 bytes behind 16 bytes of header. */
const CHURNED = 200 * KB;
const KEPT = 20 * KB;

function churnObjects() {
  for (let i = 1; i <= CHURNED; i++) kept.last = BigInt(i) << 8000n;
}

function keepObjects() {
  const held = Array.from({ length: KEPT });
  for (let i = 0; i < KEPT; i++) held[i] = BigInt(i + 1) << 8000n;
  return held;
}

function churnBefore() {
  for (let i = 1; i <= 50 * KB; i++) kept.last = BigInt(i) << 8000n;
}

function keepBefore() {
  const held = Array.from({ length: KEPT });
  for (let i = 0; i < KEPT; i++) held[i] = BigInt(i + 1) << 8000n;
  return held;
}

function keepMore() {
  const held = Array.from({ length: KEPT });
  for (let i = 0; i < KEPT; i++) held[i] = BigInt(i + 1) << 8000n;
  return held;
}

/** Objects of many sizes, up to twice the rate of the tests. */
function keepTurn() {
  const held = [];
  for (let digits = 2; digits < 8192; digits += 1 + (digits >> 3)) {
    for (let i = 1; i <= 64; i++) held.push(BigInt(i) << BigInt(digits * 64 - 8));
  }
  return held;
}

/** By its name clients of the text take it for a part of an allocator. */
function allocate() {
  const held = Array.from({ length: KEPT });
  for (let i = 0; i < KEPT; i++) held[i] = BigInt(i + 1) << 8000n;
  return held;
}

function callAllocate() {
  return allocate();
}

/** Objects of sizes that do not come again. */
function keepOdd() {
  const held = [];
  for (let bytes = 0; bytes < 20 * KB * KB;) {
    const size = 1000 + Math.floor(Math.random() * 100 * KB);
    held.push(1n << BigInt(8 * size));
    bytes += size;
  }
  return held;
}

module.exports = {
  /** What must not be in a window that opens afterwards. */
  before() {
    churnBefore();
    kept.before = keepBefore();
  },
  /** What must be in a window that is open. */
  work() {
    churnObjects();
    kept.inWindow = keepObjects();
    return { churned: CHURNED * KB, kept: KEPT * KB };
  },
  more() {
    kept.more = keepMore();
    return { bytes: KEPT * KB };
  },
  hidden() {
    kept.hidden = callAllocate();
    return { bytes: KEPT * KB };
  },
  /** New objects in place of the last ones. */
  odd() {
    kept.odd = keepOdd();
  },
  /** New objects in place of those of three turns ago. */
  turn() {
    kept.turns.push(keepTurn());
    if (kept.turns.length > 3) kept.turns.shift();
  },
};
