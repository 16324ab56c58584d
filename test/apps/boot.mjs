// For --import nestjs-pprof/preload. `POST /close` ends the application, and then nothing keeps the process.
import './boot-work.cjs';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const app = await serve(library, {
  close() {
    process.stdin.destroy();
    setImmediate(() => app.close());
  },
});
await announce(app);
