import { setTimeout } from 'node:timers/promises';
import { createContext } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { CONTESTANTS } from '../support/contestants.mjs';
import { loadFunctions, work } from '../support/functions.mjs';
import { turn } from '../support/heartbeat.mjs';

const CAPTURE_MS = 20;
const WORK_MS = 4;
const ALLOCATIONS = 2000;
/** Of garbage: what a callback of V8's holds is free after some of them; three leave 16 MB of it. */
const COLLECTIONS = 10;

await serveCommands(async ({ name, kind, hz, sink, functions }) => {
  const contestant = await CONTESTANTS[name].load({ hz, sink });
  const app = await createContext(contestant.imports);
  contestant.ready?.(app);
  const all = loadFunctions(functions.folder, functions.count);
  if (kind === 'heap') contestant.heap.start();
  const capture = { cpu: () => captureCpu(contestant, hz, all), heap: () => captureHeap(contestant) }[kind];

  return {
    /** Takes captures, collects all garbage, and tells what is left, in bytes. */
    async capture(count) {
      for (let i = 0; i < count; i++) await capture();
      for (let i = 0; i < COLLECTIONS; i++) {
        globalThis.gc();
        await turn();
      }
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heapUsed, external };
    },
  };
});

async function captureCpu({ start, stop, encode }, hz, all) {
  await start({ hz });
  work(all, WORK_MS);
  await setTimeout(CAPTURE_MS - WORK_MS);
  const result = await stop();
  await encode?.(result);
}

const kept = [];

/** Between two readings something is allocated, some of which lives a while. */
async function captureHeap({ heap }) {
  for (let i = 0; i < ALLOCATIONS; i++) kept[i % 5000] = { i, text: `allocated ${i}`, list: [i, i, i] };
  await heap.read();
}
