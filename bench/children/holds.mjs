import { createContext } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { ALL } from '../support/contestants.mjs';
import { loadFunctions, work } from '../support/functions.mjs';
import { turn, watch } from '../support/heartbeat.mjs';
import { nativeMs, probe } from '../support/probes.mjs';

await serveCommands(async ({ name, hz, sink, functions, workload }) => {
  const { load, probes, from = import.meta.url } = ALL[name];
  const inNative = probe(probes, from);
  const contestant = await load({ hz, sink });
  const app = await createContext(contestant.imports);
  contestant.ready?.(app);
  const all = loadFunctions(functions.folder, functions.count);
  let started;

  return {
    /** Starts a capture and gives it something to see. */
    async record() {
      globalThis.gc();
      await turn();
      inNative();
      const { gaps, besidesGarbage, collections } = await watch(() => contestant.start({ hz }));
      started = { start: gaps[0], startOwn: besidesGarbage[0] - nativeMs(inNative(), collections) };
      work(all, workload.ms, workload);
    },
    /** Ends it, and makes bytes of it. Everything in ms, from the start on. */
    async finish() {
      await turn();
      inNative();
      const {
        gaps: [stop, ...after],
        besidesGarbage: [stopBesidesGarbage, ...afterOwn],
        collections,
      } = await watch(() => stopAndEncode(contestant));
      const stopOwn = stopBesidesGarbage - nativeMs(inNative(), collections);
      return { ...started, stop, stopOwn, after: longest(after), afterOwn: longest(afterOwn) };
    },
  };
});

function longest(gaps) {
  return gaps.reduce((longest, gap) => Math.max(longest, gap), 0);
}

/** A turn between the two: also who does not give it by itself can be called so. */
async function stopAndEncode({ stop, encode }) {
  const result = await stop();
  await turn();
  await encode?.(result);
}
