// Busy with hotA and hotB: seven calls in ten are hotA's. It holds as heap.mjs does. `POST /cpu` and `POST /memory` capture in
// code, and answer the same capture in both formats and what `toFile` has written.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as library from 'nestjs-pprof';
import holders from './hold.cjs';
import { announce, serve } from './serve.cjs';
import spend from './spend.cjs';

function hotA(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 31 + i) | 0; // hot
  }
  return sum;
}

function hotB(seed) {
  let sum = seed;
  for (let i = 0; i < 200_000; i++) {
    sum = (sum * 17 - i) | 0; // hot
  }
  return sum;
}

const seconds = Number(process.env.SECONDS ?? 3);

async function inAllFormats(captured, extension) {
  const directory = await mkdtemp(join(tmpdir(), 'nestjs-pprof-formats-'));
  try {
    const written = [`x.${extension}`, 'x.pb.gz'].map((name) => join(directory, name));
    for (const file of written) await captured.toFile(file);
    const [devToolsFile, pprofFile] = await Promise.all(written.map((file) => readFile(file, 'base64')));
    return {
      pprof: (await captured.encode()).toString('base64'),
      pprofFile,
      devTools: (await captured.encodeForDevTools()).toString(),
      devToolsFile: Buffer.from(devToolsFile, 'base64').toString(),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

const app = await serve(library, {
  ...holders,
  cpu: async () => inAllFormats(await profiler.cpuProfile({ seconds, hz: 1000 }), 'cpuprofile'),
  memory: async () => inAllFormats(await profiler.heapProfile({ gc: true }), 'heapprofile'),
});
const profiler = app.get(library.ProfilerService);
await announce(app);
spend([
  { share: 0.7, run: hotA },
  { share: 0.3, run: hotB },
]);
