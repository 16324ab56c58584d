import { createHook } from 'node:async_hooks';
import { AWAITED_PATH, createServer } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';
import { cpuTimeCommands } from '../support/cpu-time.mjs';

/** Who serves: modules, and, once the application is up, what changes its mode. */
const KINDS = { nobody: () => ({}), hooks, ours };

await serveCommands(async ({ kind, adapter }) => {
  const { imports, changer } = await KINDS[kind]();
  const app = await createServer(adapter, imports);
  return { ...(await cpuTimeCommands(app, AWAITED_PATH)), change: changer?.(app) };
});

/** Ours: a mode is the rate of `block` and of `goroutine`, 0 for off. */
async function ours() {
  const { PprofModule, ProfilerService } = await import('../../dist/esm/index.js');
  return {
    imports: [PprofModule.forRoot({ sampler: 'inspector' })],
    changer(app) {
      const profiler = app.get(ProfilerService, { strict: false });
      return (every) => {
        profiler.setBlockProfileRate(every);
        profiler.setGoroutineProfileRate(every);
      };
    },
  };
}

/** A mode is the names of the hooks that are there and do nothing. */
function hooks() {
  let hook;
  return {
    changer: () => (names) => {
      hook?.disable();
      hook = undefined;
      if (names.length > 0)
        hook = createHook(Object.fromEntries(names.map((name) => [name, empty]))).enable();
    },
  };
}

function empty() {}
