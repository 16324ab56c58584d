import { createContext, createServer, PATH } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { ALL, ALWAYS } from '../support/contestants.mjs';

const NOBODY = { load: () => ({}) };
/** What is on from the beginning. */
const START = { heap: ({ heap }) => heap.start(), always: ({ always }) => always() };

await serveCommands(async ({ name, adapter, hz, sink, always }) => {
  const contestant = await (ALL[name] ?? NOBODY).load({ hz, sink });
  if (always) START[always](contestant);
  const app = await createServer(adapter, contestant.imports);
  contestant.ready?.(app);
  const url = (await app.getUrl()) + PATH;
  let before;
  let leave;

  return {
    url: () => url,
    begin() {
      globalThis.gc({ type: 'minor' }); // of what came between two rounds
      before = process.cpuUsage();
    },
    /** CPU time of the whole process since `begin`, with the collection of the young garbage it left; in microseconds. */
    end() {
      globalThis.gc({ type: 'minor' });
      const { user, system } = process.cpuUsage(before);
      return user + system;
    },
    /** Captures, or keeps V8's profiler running by a module in a second application, which has no server. */
    async enter(mode) {
      await leave?.();
      leave = undefined;
      if (mode === 'capture') {
        await contestant.start({ hz });
        leave = contestant.stop;
      } else if (Object.hasOwn(ALWAYS, mode)) {
        const context = await createContext((await ALWAYS[mode].load()).imports);
        leave = () => context.close();
      }
    },
  };
});
