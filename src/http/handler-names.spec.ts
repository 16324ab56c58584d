import { Controller, Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { handlerName, noteMethods } from './handler-names.js';

const ROUTE_CONFIG = '__fastify_route_config__';

abstract class CrudController {
  @Get(':id')
  findOne(): void {}
}

@Controller('cats')
class CatsController extends CrudController {
  @Get()
  findAll(): void {}

  notRouted(): void {}
}

@Controller('dogs')
class DogsController extends CrudController {}

let forget = (): void => {};

afterEach(() => forget());

/** What Nest makes of a method: a function with its metadata. */
function handlerOf(method: object, name = ''): { readonly name: string } {
  const handler = Object.defineProperty(() => {}, 'name', { value: name });
  for (const key of Reflect.getMetadataKeys(method) as unknown[])
    Reflect.defineMetadata(key, Reflect.getMetadata(key, method), handler);
  return handler;
}

describe('the name of a handler', () => {
  const { findAll, findOne, notRouted } = CatsController.prototype;

  it('is that of its class and method, also when the methods have no notes any more', () => {
    forget = noteMethods([CatsController]);
    const handlers = [findAll, findOne, notRouted].map((method) => handlerOf(method));
    forget();
    const names = ['CatsController.findAll', 'CatsController.findOne', undefined];
    expect(handlers.map((handler) => handlerName(handler))).toEqual(names);
    expect(handlerName(() => {})).toBeUndefined();
  });

  it('is that of the class that declares it if several inherit it, and Nest has not named the handler', () => {
    forget = noteMethods([CatsController, DogsController]);
    expect(handlerName(handlerOf(findOne))).toBe('CrudController.findOne');
    expect(handlerName(handlerOf(findOne, 'handlerForHeaderVersioning'))).toBe('CrudController.findOne');
    expect(handlerName(handlerOf(findOne, 'DogsController.findOne'))).toBe('DogsController.findOne');
    expect(handlerName(handlerOf(findAll))).toBe('CatsController.findAll');
  });

  it('comes from the config of the route where the handler is in a wrapper, as in Fastify', () => {
    forget = noteMethods([CatsController]);
    const config = { ...Reflect.getMetadata(ROUTE_CONFIG, findAll), url: '/cats', method: 'GET' };
    expect(handlerName({ name: 'bound ' }, config)).toBe('CatsController.findAll');
    expect(handlerName({ name: 'bound CatsController.findAll' }, config)).toBe('CatsController.findAll');
    expect(handlerName({ name: 'bound ' }, {})).toBeUndefined();
  });
});

describe('notes on methods', () => {
  it('are removed, and what the application had there is back', () => {
    const config = { limit: 5 };
    Reflect.defineMetadata(ROUTE_CONFIG, config, CatsController.prototype.findAll);
    const { findAll, findOne } = CatsController.prototype;
    const before = [findAll, findOne].map((method) => Reflect.getMetadataKeys(method) as unknown[]);
    const forgets = [noteMethods([CatsController]), noteMethods([CatsController])]; // two modules
    expect(Reflect.getMetadata(ROUTE_CONFIG, findAll)).toMatchObject(config);
    for (const forget of forgets) forget();
    expect(Reflect.getMetadata(ROUTE_CONFIG, findAll)).toBe(config);
    expect([findAll, findOne].map((method) => Reflect.getMetadataKeys(method) as unknown[])).toEqual(before);
    Reflect.deleteMetadata(ROUTE_CONFIG, findAll);
  });
});
