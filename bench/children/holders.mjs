import { AWAITED_PATH, createServer } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { cpuTimeCommands } from '../support/cpu-time.mjs';
import { holdsModule } from '../support/known-holds.mjs';
import { WATCHERS } from '../support/watchers.mjs';

await serveCommands(async ({ kind, file }) => {
  const { imports = [], ready, told, ...modes } = await WATCHERS[kind]();
  const app = await createServer('express', [...imports, holdsModule(file)]);
  ready?.(app);
  const origin = await app.getUrl();
  return {
    ...(await cpuTimeCommands(app, AWAITED_PATH)),
    origin: () => origin,
    /** @param mode `on` or `off` */
    change: (mode) => modes[mode](),
    told,
  };
});
