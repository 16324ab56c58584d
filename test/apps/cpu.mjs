import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';
import spend from './spend.cjs';

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

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
await announce(await serve(library, { cpuMs }));
spend([
  { share: 0.7, run: hotA },
  { share: 0.3, run: hotB },
]);
