// Says when a capture over HTTP runs, and ends by a signal or by `POST /close`.
import { setImmediate as eventLoop } from 'node:timers/promises';
import * as library from 'nestjs-pprof';
import { announce, pprofOptions, serve } from './serve.cjs';

const watch = {
  intercept(_, next) {
    eventLoop().then(() => console.log('capturing'));
    return next.handle();
  },
};

const app = await serve(
  library,
  {
    close() {
      process.stdin.destroy(); // nothing else keeps the process
      setImmediate(() => app.close());
    },
  },
  { ...pprofOptions(), interceptors: [watch] },
);
app.enableShutdownHooks();
await announce(app);
