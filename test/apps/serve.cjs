'use strict';
// What all workload apps share: a Nest application on a free port of loopback that says where it is.
const { isMainThread } = require('node:worker_threads');
const { Controller, Post } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

const {
  ADAPTER = 'express',
  ALLOCS,
  BASIC_AUTH,
  FLIGHT_RECORDER,
  MEM_RATE,
  PROFILE_COMMENTS,
  SAMPLER,
  SOURCE_MAPS,
  WARM,
} = process.env;

if (isMainThread) process.stdin.on('end', () => process.exit()).resume(); // whoever started this has gone

/** The options that the environment names. */
function pprofOptions() {
  return {
    ...(ALLOCS && { allocs: ALLOCS }),
    ...(SAMPLER && { sampler: SAMPLER }),
    ...(WARM && { warm: WARM }),
    ...(FLIGHT_RECORDER && { flightRecorder: JSON.parse(FLIGHT_RECORDER) }),
    ...(SOURCE_MAPS && { sourceMaps: SOURCE_MAPS !== 'off' }),
    ...(MEM_RATE && { memProfileRate: Number(MEM_RATE) }),
    ...(PROFILE_COMMENTS && { profileComments: JSON.parse(PROFILE_COMMENTS) }),
    ...(BASIC_AUTH && { guards: [basicGuard(BASIC_AUTH)] }),
  };
}

function basicGuard(credentials) {
  const expected = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return {
    canActivate: (context) => context.switchToHttp().getRequest().headers.authorization === expected,
  };
}

/** A controller that answers `POST /<name>` by the function of that name. */
function controller(handlers) {
  class WorkloadController {}
  const { prototype } = WorkloadController;
  for (const [name, handler] of Object.entries(handlers)) {
    prototype[name] = () => handler();
    Post(name)(prototype, name, Object.getOwnPropertyDescriptor(prototype, name));
  }
  Controller()(WorkloadController);
  return WorkloadController;
}

async function adapter() {
  const { ExpressAdapter } = ADAPTER === 'express' ? await import('@nestjs/platform-express') : {};
  const { FastifyAdapter } = ADAPTER === 'fastify' ? await import('@nestjs/platform-fastify') : {};
  return new (ExpressAdapter ?? FastifyAdapter)();
}

/** Starts an application; `library` is the copy of nestjs-pprof to use. */
async function serve(
  { PprofModule },
  handlers,
  options = pprofOptions(),
  { imports = [], controllers = [], providers = [] } = {},
) {
  const module = {
    module: class WorkloadModule {},
    imports: [PprofModule.forRoot(options), ...imports],
    controllers: [controller(handlers), ...controllers],
    providers,
  };
  const app = await NestFactory.create(module, await adapter());
  await app.listen(0, '127.0.0.1');
  return app;
}

/** The line that test/support/process.ts waits for. */
async function announce(...apps) {
  console.log(['ready', ...(await Promise.all(apps.map((app) => app.getUrl())))].join(' '));
}

module.exports = { announce, pprofOptions, serve };
