'use strict';
// The application, whichever way its packages were loaded. No decorator syntax: it runs as it stands.

const { ADAPTER, GUARD } = process.env;
const EXPECTED = `Basic ${Buffer.from('user:pass').toString('base64')}`;

process.stdin.on('end', () => process.exit()).resume(); // whoever started this has gone

exports.serve = async ({ adapters, NestFactory, PprofModule, UnauthorizedException }) => {
  class BasicAuthGuard {
    canActivate(context) {
      const http = context.switchToHttp();
      if (http.getRequest().headers.authorization === EXPECTED) return true;
      http.getResponse().header('WWW-Authenticate', 'Basic realm="ops"');
      throw new UnauthorizedException();
    }
  }
  class AppModule {}

  const pprof = PprofModule.forRoot({ path: 'ops/pprof', guards: GUARD === '1' ? [BasicAuthGuard] : [] });
  const app = await NestFactory.create({ module: AppModule, imports: [pprof] }, new adapters[ADAPTER]());
  app.setGlobalPrefix('api');
  await app.listen(0, '127.0.0.1');
  console.log(`ready ${await app.getUrl()}`);
};
