import { createRequire } from 'node:module';
import { PprofModule } from '../../dist/esm/index.js';
import { FrontDoor } from '../../dist/esm/http/front-door.js';
import { RequestWatch } from '../../dist/esm/http/request-watch.js';
import { createServer, PATH } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';

const STACK_DEPTH = 128; // as ours has it

const passes = () => true;
const nothing = () => {};

/** A server with ours, whose parts are taken out and done `times` over for each request. */
await serveCommands(async ({ adapter, times, interval }) => {
  const { heap } = createRequire(import.meta.url)('pprof');
  const app = await createServer(adapter, [PprofModule.forRoot({ sampler: 'inspector', memProfileRate: 0 })]);
  const server = app.getHttpServer().setMaxListeners(0);
  const door = app.get(FrontDoor, { strict: false });
  const watch = app.get(RequestWatch, { strict: false });
  const noted = watch.canActivate.bind(watch);
  const own = new Set([door.listener, watch.listener]);
  const framework = server.listeners('request').filter((listener) => !own.has(listener));

  const over = (work) => (a, b) => {
    for (let i = 0; i < times; i++) work(a, b);
  };
  const awaits = async () => {
    for (let i = 0; i < times; i++) await (async () => true)();
  };
  /** What listens before the framework, and what Nest asks as a guard. */
  const serve = (before, guard = passes) => {
    server.removeAllListeners('request');
    for (const listener of [...before, ...framework]) server.on('request', listener);
    watch.canActivate = guard;
  };

  const modes = {
    none: () => serve([nothing]),
    listeners: () => serve(Array.from({ length: times + 1 }, () => () => {})),
    door: () => serve([over(door.listener)]),
    begin: () => serve([over((request, response) => watch.begin(request, response))]),
    note: () =>
      serve([watch.listener], (context) => {
        over(noted)(context);
        return true;
      }),
    guard: () => serve([nothing], () => awaits().then(passes)),
    heap: () => {
      serve([nothing]);
      heap.start(interval, STACK_DEPTH);
    },
  };
  let before;
  return {
    url: async () => (await app.getUrl()) + PATH,
    mode: (name) => modes[name](),
    begin() {
      before = process.cpuUsage();
    },
    /** Since `begin`, in microseconds. */
    end() {
      const { user, system } = process.cpuUsage(before);
      return user + system;
    },
    stopHeap: () => heap.stop(),
  };
});
