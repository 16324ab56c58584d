import { AWAITED_PATH, createServer } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { cpuTimeCommands } from '../support/cpu-time.mjs';
import { turn, watch } from '../support/heartbeat.mjs';
import { TRACERS } from '../support/tracers.mjs';

await serveCommands(async ({ kind }) => {
  const tracer = await TRACERS[kind]();
  const app = await createServer('express', tracer.imports);
  tracer.ready?.(app);
  const modes = { off: () => tracer.stop(), on: () => tracer.start() };

  return {
    ...(await cpuTimeCommands(app, AWAITED_PATH)),
    change: async (mode) => void (await modes[mode]()),
    /** How long it holds the event loop, in ms: its start, or its stop until all bytes are there. */
    async hold(mode) {
      await turn();
      const { gaps } = await watch(modes[mode]);
      return Math.max(...gaps);
    },
  };
});
