// The ESM and the CommonJS copy of the library in one process, each in an application of its own.
import { createRequire } from 'node:module';
import * as esm from 'nestjs-pprof';
import holders from './hold.cjs';
import { announce, pprofOptions, serve } from './serve.cjs';

const cjs = createRequire(import.meta.url)('nestjs-pprof');
if (cjs.PprofModule === esm.PprofModule) throw new Error('this is one copy');

const { OTHER_MEM_RATE } = process.env;
const handlers = { ...holders, closeFirst: () => first.close(), closeSecond: () => second.close() };
const first = await serve(esm, handlers);
const second = await serve(cjs, handlers, {
  ...pprofOptions(),
  ...(OTHER_MEM_RATE && { memProfileRate: Number(OTHER_MEM_RATE) }),
});
await announce(first, second);
