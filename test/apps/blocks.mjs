// Boots what code blocks export: of the files in BLOCKS, compiled blocks, each is an application. A block with an AppModule is one;
// the classes of others, and modules that are a block's default, are put into one, and their methods are run by POST /<name>.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NestFactory } from '@nestjs/core';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const { BLOCKS, BLOCKS_IN } = process.env;
const apps = [];
for (const file of JSON.parse(BLOCKS)) {
  const { AppModule, default: module, ...classes } = await import(pathToFileURL(join(BLOCKS_IN, file)).href);
  apps.push(
    await (AppModule
      ? listening(AppModule)
      : module
        ? listening(around(module))
        : withClasses(Object.values(classes))),
  );
}
process.chdir(BLOCKS_IN); // where they write files
await announce(...apps);

async function listening(module) {
  const app = await NestFactory.create(module);
  await app.listen(0, '127.0.0.1');
  return app;
}

function around(dynamicModule) {
  return { module: class {}, imports: [dynamicModule] };
}

function has(key) {
  return (type) => Reflect.hasMetadata(key, type);
}

async function withClasses(classes) {
  const modules = classes.filter(has('providers'));
  const controllers = classes.filter(has('path'));
  const provided = modules.flatMap((module) => Reflect.getMetadata('providers', module));
  const providers = classes.filter((type) => ![...modules, ...controllers, ...provided].includes(type));
  const methods = [...providers, ...provided].flatMap(({ prototype }) =>
    Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor'),
  );
  const owner = (name) => [...providers, ...provided].find(({ prototype }) => name in prototype);
  const run = (name) => () => app.get(owner(name), { strict: false })[name]();
  const handlers = Object.fromEntries(methods.map((name) => [name, run(name)]));
  const app = await serve(library, handlers, {}, { imports: modules, controllers, providers });
  return app;
}
