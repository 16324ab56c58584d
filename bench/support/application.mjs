// The Nest application that every contestant runs in: a few services' worth of what services do.
import { Controller, Get, Inject, Param, ParseIntPipe } from '@nestjs/common';
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

function litter(id) {
  const cats = CATS.slice(id % 900, (id % 900) + 20);
  return cats.map((cat) => ({ ...cat, tags: cat.tags.map((tag) => tag.toUpperCase()), siblings: 19 }));
}

/** Gets it as services do: asks one that asks a driver, which answers in another turn of the event loop. */
class CatsService {
  async findLitter(id) {
    await this.checkAccess(id);
    const rows = await this.query(id);
    return rows;
  }

  /** Known already, as it is most of the time. */
  async checkAccess(id) {
    return id >= 0;
  }

  async query(id) {
    await Promise.resolve(); // a connection of a pool that has one left
    const rows = await new Promise((resolve) => {
      setImmediate(() => resolve(litter(id)));
    });
    return rows;
  }
}

class CatsController {
  constructor(cats) {
    this.cats = cats;
  }

  findLitter(id) {
    return litter(id);
  }

  async awaitLitter(id) {
    const found = await this.cats.findLitter(id);
    return found;
  }
}
decorate(CatsController, 'findLitter', [Get('litters/:id')], [Param('id', ParseIntPipe)]);
decorate(CatsController, 'awaitLitter', [Get('litters/:id/awaited')], [Param('id', ParseIntPipe)]);
Inject(CatsService)(CatsController, undefined, 0);
Controller('cats')(CatsController);

/** What is asked for: a response of some 2 KB. */
export const PATH = '/cats/litters/123';
/** The same, by a handler that awaits a service: five awaits, the innermost for one `setImmediate`. */
export const AWAITED_PATH = `${PATH}/awaited`;

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
  return { module: class BenchModule {}, imports, controllers: [CatsController], providers: [CatsService] };
}

/** What TypeScript does with `@Get() method(@Param() …)`. */
export function decorate({ prototype }, method, ofMethod, ofParameters) {
  for (const [index, decorator] of ofParameters.entries()) decorator(prototype, method, index);
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method);
  for (const decorator of ofMethod) decorator(prototype, method, descriptor);
}
