'use strict';
require('node:v8').setFlagsFromString('--no-use-osr'); // as in spend.cjs

const ENOUGH = Number(process.env.KEPT ?? 40_000);

/** Of one size from the beginning: what it took to grow would count for whoever happens to add to it then. */
const kept = Array.from({ length: ENOUGH });
let count = 0;

/** Takes some CPU time, and some memory for good while there is little of it. */
module.exports = function spend() {
  const until = performance.now() + 1;
  for (let i = 0; i < 200 && count < ENOUGH; i++) kept[count++] = { i, text: `kept ${i}` };
  while (performance.now() < until);
};
module.exports.isFull = () => count === ENOUGH;
