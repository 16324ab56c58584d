// Calls console.log while something of the inspector is connected, or nothing.
import { Session } from 'node:inspector';
import { chooseSampler } from '../../dist/esm/sampling/choose-sampler.js';
import { DEFAULT_HEAP_RATE } from '../../dist/esm/sampling/sampler.js';
import { serveCommands } from '../support/child.mjs';

const HZ = 100;

async function startHeap(sampler) {
  const sampling = await chooseSampler({ sampler, warm: sampler === 'auto' });
  sampling.startHeap(DEFAULT_HEAP_RATE);
  return sampling;
}

const CONTESTANTS = {
  without() {},
  'pprof, idle': () => startHeap('pprof'),
  'inspector, idle': () => startHeap('inspector'),
  async 'inspector, capturing'() {
    await startHeap('pprof');
    const sampling = await chooseSampler({ sampler: 'inspector', warm: false });
    sampling.cpu.start(HZ);
  },
  async 'warm, idle'() {
    const sampling = await startHeap('auto');
    sampling.warm.join({ hz: HZ, pastSeconds: 0 });
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
