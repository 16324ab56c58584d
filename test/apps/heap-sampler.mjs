// The app of heap.mjs, in which others have done to V8's heap sampler what BEFORE names, before it boots.
import * as library from 'nestjs-pprof';
import handlers from './hold.cjs';
import { announce, serve } from './serve.cjs';

for (const act of process.env.BEFORE?.split(' ') ?? []) handlers[act]();

const app = await serve(library, {
  ...handlers,
  /** Ends the application, when it has answered; then nothing keeps the process. */
  close() {
    process.stdin.destroy();
    setImmediate(() => app.close());
  },
});
await announce(app);
