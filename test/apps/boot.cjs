'use strict';
// boot.mjs as CommonJS: its copy of the library is not the one that preload loads.
require('./boot-work.cjs');
const library = require('nestjs-pprof');
const { announce, serve } = require('./serve.cjs');

const booting = serve(library, {
  async close() {
    const app = await booting;
    process.stdin.destroy();
    setImmediate(() => app.close());
  },
});
booting.then(announce);
