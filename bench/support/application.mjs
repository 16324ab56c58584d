// The Nest application that every contestant runs in: a few services' worth of what services do.
import { Controller, Get, Param, ParseIntPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

const ADAPTERS = {
  express: async () => new (await import('@nestjs/platform-express')).ExpressAdapter(),
  fastify: async () => new (await import('@nestjs/platform-fastify')).FastifyAdapter(),
};

const CATS = Array.from({ length: 1000 }, (_, id) => ({
  id,
  name: `cat ${id}`,
  age: id % 20,
  tags: [`tag${id % 7}`, `tag${id % 11}`],
}));

class CatsController {
  findLitter(id) {
    const litter = CATS.slice(id % 900, (id % 900) + 20);
    return litter.map((cat) => ({ ...cat, tags: cat.tags.map((tag) => tag.toUpperCase()), siblings: 19 }));
  }
}
decorate(CatsController, 'findLitter', [Get('litters/:id')], [Param('id', ParseIntPipe)]);
Controller('cats')(CatsController);

/** What is asked for: a response of some 2 KB. */
export const PATH = '/cats/litters/123';

/** @param imports modules of the contestant */
export function createContext(imports = []) {
  return NestFactory.createApplicationContext(rootModule(imports), { logger: false });
}

/** The same over HTTP, on a free port of loopback. */
export async function createServer(adapter, imports = []) {
  const app = await NestFactory.create(rootModule(imports), await ADAPTERS[adapter](), { logger: false });
  app.getHttpServer().keepAliveTimeout = 0; // contestants wait for their turn
  await app.listen(0, '127.0.0.1');
  return app;
}

function rootModule(imports) {
  return { module: class BenchModule {}, imports, controllers: [CatsController] };
}

/** What TypeScript does with `@Get() method(@Param() …)`. */
function decorate({ prototype }, method, ofMethod, ofParameters) {
  for (const [index, decorator] of ofParameters.entries()) decorator(prototype, method, index);
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
  for (const decorator of ofMethod) decorator(prototype, method, descriptor);
}
