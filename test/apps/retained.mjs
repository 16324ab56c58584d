// Captures again and again, and tells how much memory is in use before and after.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const ROUNDS = 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** What is compiled and cached by the first captures is there once. */
const WARM_UP = 10;

async function takeAll() {
  for (const sampler of ['pprof', 'inspector']) {
    await (await profiler.cpuProfile({ seconds: 0.02, sampler })).encode();
    await (await profiler.cpuProfile({ seconds: 0.02, sampler })).encodeAs('cpuprofile');
  }
  await (await profiler.heapProfile({ gc: true })).encode();
}

function usedBytes() {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const app = await serve(library, {
  async capture() {
    for (let i = 0; i < WARM_UP; i++) await takeAll();
    const before = usedBytes();
    for (let i = 0; i < ROUNDS; i++) await takeAll();
    return { captures: ROUNDS * 5, before, after: usedBytes() };
  },
});
const profiler = app.get(library.ProfilerService);
await announce(app);
