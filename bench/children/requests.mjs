import { createServer, PATH } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { CONTESTANTS } from '../support/contestants.mjs';

const NOBODY = { load: () => ({}) };
/** What is on from the beginning. */
const START = { heap: ({ heap }) => heap.start(), always: ({ always }) => always() };

await serveCommands(async ({ name, adapter, hz, sink, always }) => {
  const contestant = await (CONTESTANTS[name] ?? NOBODY).load({ hz, sink });
  if (always) START[always](contestant);
  const app = await createServer(adapter, contestant.imports);
  contestant.ready?.(app);
  const url = (await app.getUrl()) + PATH;
  let before;

  return {
    url: () => url,
    begin() {
      before = process.cpuUsage();
    },
    /** CPU time of the whole process since `begin`, in microseconds. */
    end() {
      const { user, system } = process.cpuUsage(before);
      return user + system;
    },
    startCapture: async () => void (await contestant.start({ hz })),
    stopCapture: async () => void (await contestant.stop()),
  };
});
