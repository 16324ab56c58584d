'use strict';
const library = require('nestjs-pprof');
const { announce, serve } = require('./serve.cjs');
const spend = require('./spend.cjs');

function hotA(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 31 + i) | 0; // hot
  }
  return sum;
}

function hotB(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 17 - i) | 0; // hot
  }
  return sum;
}

serve(library, {})
  .then(announce)
  .then(() =>
    spend([
      { share: 0.7, run: hotA },
      { share: 0.3, run: hotB },
    ]),
  );
