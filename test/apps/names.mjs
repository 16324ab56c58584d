// Calls methods and functions of all kinds again and again; each takes the same CPU time. With PLAIN=1 Nest knows none of their
// classes. The second application in the process never knows them.
import { setImmediate as eventLoop } from 'node:timers/promises';
import { Controller, Module, Post } from '@nestjs/common';
import * as library from 'nestjs-pprof';
import birds from './names-birds.cjs';
import spend from './names-spend.cjs';
import { announce, pprofOptions, serve } from './serve.cjs';

class AnimalsService {
  inherited() {
    return spend();
  }
  static kinds() {
    return spend();
  }
}

class CatsService extends AnimalsService {
  findOne() {
    return spend();
  }
  async findLater() {
    spend();
    await undefined;
    return spend();
  }
  get total() {
    return spend();
  }
  set owner(_) {
    spend();
  }
  static create() {
    return spend();
  }
  'with a space'() {
    return spend();
  }
  purr() {
    return spend();
  }
  timedCats() {
    return spend();
  }
}

class DogsService extends AnimalsService {
  findOne() {
    return spend();
  }
  timedDogs() {
    return spend();
  }
}

/** Nest does not know it. */
class NobodysService {
  findNobody() {
    return spend();
  }
  purr() {
    return spend(); // as CatsService does
  }
}

class ValuesService {
  findValue() {
    return spend();
  }
}

class CatsController {
  list() {
    return spend();
  }
}

/** As decorators for tracing or caching do it: one function around many methods. */
for (const [{ prototype }, name] of [
  [CatsService, 'timedCats'],
  [DogsService, 'timedDogs'],
]) {
  const method = prototype[name];
  Object.defineProperty(prototype, name, {
    ...Object.getOwnPropertyDescriptor(prototype, name),
    value: function timed() {
      spend();
      return method.call(this);
    },
  });
}

// V8 finds a name for the last function of a list.
const anonymous = [
  () => spend(), // the first
  () => spend(), // the second
  () => spend(),
];
// prettier-ignore
const onOneLine = [() => spend(), () => spend(), () => spend()]; // both

const { BirdsService } = birds;
Controller()(CatsController);
Post('list')(
  CatsController.prototype,
  'list',
  Object.getOwnPropertyDescriptor(CatsController.prototype, 'list'),
);
class AnimalsModule {}
Module({
  controllers: [CatsController],
  providers: [
    CatsService,
    DogsService,
    BirdsService,
    { provide: 'factory', useFactory: () => ({ findFactory: () => spend() }) },
    { provide: 'value', useValue: new ValuesService() },
  ],
})(AnimalsModule);

const plain = process.env.PLAIN === '1';
const handlers = {
  /** Answers when every job has allocated what is kept. */
  async filled() {
    while (!spend.isFull()) await eventLoop();
  },
};
const app = await serve(library, handlers, pprofOptions(), { imports: plain ? [] : [AnimalsModule] });
const plainApp = await serve(library, {});
const get = (type) => (plain ? new type() : app.get(type));

const cats = get(CatsService);
const dogs = get(DogsService);
const jobs = [
  () => cats.inherited(),
  () => CatsService.kinds(),
  () => cats.findOne(),
  () => cats.findLater(),
  () => cats.total,
  () => (cats.owner = 'somebody'),
  () => CatsService.create(),
  () => cats['with a space'](),
  () => cats.timedCats(),
  () => dogs.timedDogs(),
  () => dogs.inherited(),
  () => dogs.findOne(),
  () => get(BirdsService).findOne(),
  () => get(CatsController).list(),
  () => new NobodysService().findNobody(),
  () => new NobodysService().purr(),
  () => cats.purr(),
  () => (plain ? new ValuesService() : app.get('value')).findValue(),
  () => !plain && app.get('factory').findFactory(),
  ...anonymous,
  ...onOneLine,
];

await announce(app, plainApp);
(function turn(next = 0) {
  for (let i = 0; i < 5; i++) jobs[(next + i) % jobs.length]();
  setTimeout(turn, 5, next + 5); // an idle half leaves the CPU to other tests
})();
