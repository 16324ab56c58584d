// The app of heap.mjs, which also tries to write a profile to a file.
import * as library from 'nestjs-pprof';
import handlers from './hold.cjs';
import { announce, serve } from './serve.cjs';

const app = await serve(library, {
  ...handlers,
  async toFile() {
    const captured = await app.get(library.ProfilerService).heapProfile();
    return captured.toFile('/not-allowed.pb.gz').catch(({ code, message }) => ({ code, message }));
  },
});
await announce(app);
