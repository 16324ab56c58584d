'use strict';
// The application, whichever way its packages were loaded. It uses no decorator syntax, so it runs without a compiler.

const { ADAPTER } = process.env;
const AUTHORIZED = `Basic ${Buffer.from('user:pass').toString('base64')}`;

// A line on stdin starts the work, and the end of stdin ends the process.
process.stdin.once('data', work).on('end', () => process.exit());

/** Serves pprof twice: without guards, and behind one. */
exports.serve = async ({ adapters, NestFactory, PprofModule, UnauthorizedException }) => {
  class BasicAuthGuard {
    canActivate(context) {
      const http = context.switchToHttp();
      if (http.getRequest().headers.authorization === AUTHORIZED) return true;
      http.getResponse().header('WWW-Authenticate', 'Basic realm="ops"');
      throw new UnauthorizedException();
    }
  }
  class AppModule {}

  const listen = async (guards) => {
    const imports = [PprofModule.forRoot({ path: 'ops/pprof', guards })];
    const app = await NestFactory.create({ module: AppModule, imports }, new adapters[ADAPTER]());
    app.setGlobalPrefix('api');
    await app.listen(0, '127.0.0.1');
    return `${await app.getUrl()}/api/ops/pprof`;
  };
  const [open, guarded] = [await listen([]), await listen([BasicAuthGuard])];
  holdObjects();
  console.log(`ready ${open} ${guarded}`);
};

const held = [];

/** 32 MiB: 64 times the sampling interval of the heap. */
function holdObjects() {
  for (let i = 0; i < 4096; i++) held.push(Array.from({ length: 1024 }, (_, j) => i + j / 2));
}

/** In slices, so that the event loop can answer requests. */
function work() {
  burnCpu(performance.now() + 20);
  setImmediate(work);
}

function burnCpu(until) {
  let sum = 0;
  while (performance.now() < until) for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i);
  return sum;
}
