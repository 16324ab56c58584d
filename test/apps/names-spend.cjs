'use strict';
require('node:v8').setFlagsFromString('--no-use-osr'); // as in spend.cjs

const ENOUGH = 40_000;
const kept = [];

/** Takes some CPU time, and some memory for good while there is little of it. */
module.exports = function spend() {
  const until = performance.now() + 1;
  for (let i = 0; performance.now() < until; i++) {
    if (i < 200 && kept.length < ENOUGH) kept.push({ i, text: `kept ${i}` });
  }
};
module.exports.isFull = () => kept.length === ENOUGH;
