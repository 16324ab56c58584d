import { createServer, PATH } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { CONTESTANTS } from '../support/contestants.mjs';
import { cpuTimeCommands } from '../support/cpu-time.mjs';

const NOBODY = { load: () => ({}) };
/** What is on from the beginning. */
const START = { heap: ({ heap }) => heap.start(), always: ({ always }) => always() };

await serveCommands(async ({ name, adapter, hz, sink, always }) => {
  const contestant = await (CONTESTANTS[name] ?? NOBODY).load({ hz, sink });
  if (always) START[always](contestant);
  const app = await createServer(adapter, contestant.imports);
  contestant.ready?.(app);
  const modes = { idle: () => contestant.stop(), capture: () => contestant.start({ hz }) };

  return {
    ...(await cpuTimeCommands(app, PATH)),
    change: async (mode) => void (await modes[mode]()),
  };
});
