// Calls console.log while something of the inspector is connected, or nothing.
import { Session } from 'node:inspector';
import { chooseSampler } from '../../dist/esm/sampling/choose-sampler.js';
import { DEFAULT_HEAP_RATE } from '../../dist/esm/sampling/sampler.js';
import { serveCommands } from '../support/child.mjs';

const CAPTURE_HZ = 100;

async function startHeap(name) {
  const { sampling } = await chooseSampler(name);
  sampling.startHeap(DEFAULT_HEAP_RATE);
}

const CONTESTANTS = {
  without() {},
  'pprof, idle': () => startHeap('pprof'),
  'inspector, idle': () => startHeap('inspector'),
  async 'inspector, capturing'() {
    await startHeap('pprof');
    const { sampling } = await chooseSampler('inspector');
    sampling.cpu.start(CAPTURE_HZ);
  },
  'node:inspector': () => new Session().connect(),
};

await serveCommands(async ({ name }) => {
  await CONTESTANTS[name]();
  return {
    /** CPU time of this process for each call, in µs: in a row, or each in a job of its own. */
    async log(count, inRow) {
      const before = process.cpuUsage();
      for (let i = 0; i < count; i++) {
        console.log('request', { id: i });
        if (!inRow) await undefined;
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / count;
    },
  };
});
