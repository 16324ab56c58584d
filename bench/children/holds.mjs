import { createContext } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { ALL } from '../support/contestants.mjs';
import { loadFunctions, Service, work } from '../support/functions.mjs';
import { longestHold, turn, watch } from '../support/heartbeat.mjs';
import { probe } from '../support/probes.mjs';

const NOBODY = { load: () => ({}) };

await serveCommands(async ({ name, hz, sink, functions, workload }) => {
  const { load, probes = [], from = import.meta.url } = ALL[name] ?? NOBODY;
  const inNative = probe(probes, from);
  const contestant = await load({ hz, sink });
  const app = await createContext(contestant.imports);
  contestant.ready?.(app);
  const all = loadFunctions(functions.folder, functions.count);
  const service = workload.service && new Service(all, workload);
  let started;

  return {
    /** Starts a capture and gives it something to see. */
    async record() {
      globalThis.gc();
      await turn();
      inNative();
      const { native, gaps } = await watchFirst(() => contestant.start({ hz }), inNative);
      started = { start: gaps[0], startNative: native };
      await (service ? service.run(workload.ms) : work(all, workload.ms, workload));
    },
    /** Ends it, and makes bytes of it. Everything in ms, from the start on. */
    async finish() {
      await turn();
      inNative();
      const {
        native,
        gaps: [stop, ...after],
        besidesGarbage: [, ...afterOwn],
      } = await watchFirst(() => stopAndEncode(contestant), inNative);
      return { ...started, stop, stopNative: native, after: longest(after), afterOwn: longest(afterOwn) };
    },
    /** Of each second of the service the longest hold that is not its own work, and how much of the second is native; in ms. */
    async serve(seconds) {
      const measured = [];
      await service.run(1000); // past the start
      for (let i = 0; i < seconds; i++) {
        inNative();
        const hold = await longestHold(
          () => service.run(1000),
          () => service.workedMs,
        );
        measured.push({ hold, native: inNative() });
      }
      return measured;
    },
  };
});

/** With what of the first gap is native. */
async function watchFirst(work, inNative) {
  let native;
  const watched = await watch(() => {
    setImmediate(() => (native = inNative()));
    return work();
  });
  return { ...watched, native };
}

function longest(gaps) {
  return gaps.reduce((longest, gap) => Math.max(longest, gap), 0);
}

/** A turn between the two: also who does not give it by itself can be called so. */
async function stopAndEncode({ stop, encode }) {
  const result = await stop();
  await turn();
  await encode?.(result);
}
