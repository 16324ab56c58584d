import { Controller, Get, Param, SetMetadata, UseGuards } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BehaviorSubject, defer, lastValueFrom, NEVER, type Observable, of, throwError } from 'rxjs';
import { type MadeUpTrace, startMadeUpTrace, stopMadeUpTrace } from '../../../test/support/made-up-trace.js';
import { activeTrace } from '../../sampling/active-trace.js';
import { handlerName, noteMethods } from '../../http/handler-names.js';
import { TraceRegion, TraceTask } from './trace.decorators.js';

const FAILURE = new Error('no cat');
const log = (value: string): void => activeTrace()?.log('at', value);
const tick = (): Promise<void> => Promise.resolve();

/** A query of a database: `then()` runs it. */
class Query {
  #count = 1;

  add(count: number): this {
    this.#count += count;
    return this;
  }

  // oxlint-disable-next-line unicorn/no-thenable
  then<T>(done?: (count: number) => T, failed?: (error: Error) => T): Promise<T> {
    log('query');
    const run = async (): Promise<number> => {
      if (this.#count < 0) throw FAILURE;
      return this.#count;
    };
    return run().then(done, failed) as Promise<T>; // oxlint-disable-line promise/no-callback-in-promise
  }
}
const cancelable = Object.assign(Promise.resolve(1), { cancel: (): void => {} });
const subject = new BehaviorSubject(1);

/** Methods of all kinds. */
function catsWith(Annotate: typeof TraceRegion) {
  class Cats {
    private readonly count = 1;

    @Annotate()
    value(added: number): number {
      log('work');
      return this.count + added;
    }

    @Annotate()
    throws(): void {
      throw FAILURE;
    }

    @Annotate()
    async promise(added: number): Promise<number> {
      await tick();
      log('work');
      return this.count + added;
    }

    @Annotate()
    async rejects(): Promise<void> {
      await tick();
      throw FAILURE;
    }

    @Annotate()
    observable(): Observable<number> {
      return defer(() => {
        log('work');
        return of(1, 2);
      });
    }

    @Annotate()
    async promiseOfObservable(): Promise<Observable<number>> {
      await tick();
      return of(1, 2);
    }

    @Annotate()
    fails(): Observable<never> {
      return throwError(() => FAILURE);
    }

    @Annotate()
    never(): Observable<never> {
      return NEVER;
    }

    @Annotate()
    *generator(): Generator<number, string, string> {
      log(yield this.count);
      return 'done';
    }

    @Annotate()
    *throwsLater(): Generator<number> {
      yield 1;
      throw FAILURE;
    }

    @Annotate()
    async *asyncGenerator(): AsyncGenerator<number> {
      yield this.count;
      await tick();
      log('work');
    }

    @Annotate()
    async *rejectsLater(): AsyncGenerator<number> {
      yield 1;
      throw FAILURE;
    }

    @Annotate()
    query(count: number): Query {
      return new Query().add(count);
    }

    @Annotate()
    frozen(): Query {
      return Object.freeze(new Query()) as Query;
    }

    @Annotate()
    cancelable(): typeof cancelable {
      return cancelable;
    }

    @Annotate()
    subject(): typeof subject {
      return subject;
    }

    @Annotate('another name')
    static named(): void {}

    @Annotate()
    static unnamed(): void {}
  }
  return Cats;
}

const all = async <T>(values: Iterable<T> | AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const value of values) list.push(value);
  return list;
};

describe.each([
  ['TraceRegion', TraceRegion, '', ''],
  ['TraceTask', TraceTask, 'task ', ' in '],
] as const)('a method with %s', (_, Annotate, kind, within) => {
  const Cats = catsWith(Annotate);
  const cats = new Cats();
  let trace: MadeUpTrace;

  /** What is noted of one that begins, works and ends. */
  const noted = (method: string, ...work: string[]): string[] => [
    `begin ${kind}Cats.${method}`,
    ...work.map((line) => `log at=${line}${within && `${within}Cats.${method}`}`),
    `end ${kind}Cats.${method}`,
  ];

  beforeEach(() => {
    trace = startMadeUpTrace();
  });
  afterEach(stopMadeUpTrace);

  it('is in the trace until it returns, with its `this`, arguments and result', () => {
    expect(cats.value(2)).toBe(3);
    expect(trace.lines).toEqual(noted('value', 'work'));
  });

  it('is in the trace until it throws, and throws the same error', () => {
    expect(() => cats.throws()).toThrow(FAILURE);
    expect(trace.lines).toEqual(noted('throws'));
  });

  it('is in the trace until its promise is settled, and that has the same result or error', async () => {
    await expect(cats.promise(2)).resolves.toBe(3);
    expect(trace.lines.splice(0)).toEqual(noted('promise', 'work'));
    await expect(cats.rejects()).rejects.toBe(FAILURE);
    expect(trace.lines).toEqual(noted('rejects'));
  });

  it('is in the trace until its observable completes, and may only start with the subscription', async () => {
    expect(await lastValueFrom(cats.observable())).toBe(2);
    expect(trace.lines.splice(0)).toEqual(noted('observable', 'work'));
    expect(await lastValueFrom(await cats.promiseOfObservable())).toBe(2);
    expect(trace.lines).toEqual(noted('promiseOfObservable'));
  });

  it('is in the trace until its observable fails or is unsubscribed', async () => {
    await expect(lastValueFrom(cats.fails())).rejects.toBe(FAILURE);
    expect(trace.lines.splice(0)).toEqual(noted('fails'));
    const subscription = cats.never().subscribe();
    expect(trace.lines).toEqual(noted('never').slice(0, 1));
    subscription.unsubscribe();
    expect(trace.lines).toEqual(noted('never'));
  });

  it('is in the trace until the query that it returns is run and done, once', async () => {
    const query = cats.query(1);
    expect(query).toBeInstanceOf(Query);
    expect(trace.lines.splice(0)).toEqual(noted('query').slice(0, 1));
    expect(await query.add(1)).toBe(3);
    expect(trace.lines.splice(0)).toEqual(['log at=query', ...noted('query').slice(1)]);
    expect(Object.keys(query)).toEqual([]);
    expect(await query).toBe(3);
    expect(trace.lines.splice(0)).toEqual(['log at=query']);
    await expect((async () => cats.query(-2))()).rejects.toBe(FAILURE);
    await expect(cats.query(-2).then(undefined, undefined)).rejects.toBe(FAILURE);
    expect(await cats.query(1).then(undefined, undefined)).toBe(2);
    expect(trace.lines.filter((line) => line !== 'log at=query')).toEqual(
      [1, 2, 3].flatMap(() => noted('query')),
    );
  });

  it('ends before those that wait for its observable go on', () => {
    cats.observable().subscribe({ complete: () => trace.lines.push('next') });
    cats.fails().subscribe({ error: () => trace.lines.push('next') });
    expect(trace.lines).toEqual([...noted('observable', 'work'), 'next', ...noted('fails'), 'next']);
  });

  it('ends with the return of a query that is frozen', async () => {
    expect(await cats.frozen()).toBe(1);
    expect(trace.lines).toEqual([...noted('frozen'), 'log at=query']);
  });

  it.each([
    ['a promise with more properties', 'cancelable', cancelable],
    ['an observable of another class', 'subject', subject],
  ] as const)('passes on %s as it is, and ends', async (_, method, result) => {
    const returned: object[] = [cats[method]()];
    expect(returned[0]).toBe(result);
    expect(trace.lines).toEqual(noted(method));
  });

  it('has the name that is given, else those of class and method', () => {
    Cats.named();
    Cats.unnamed();
    expect(trace.lines).toEqual([
      `begin ${kind}another name`,
      `end ${kind}another name`,
      ...noted('unnamed'),
    ]);
  });

  it('is only called while no trace is recorded', async () => {
    stopMadeUpTrace();
    expect(cats.value(2)).toBe(3);
    expect(await cats.promise(2)).toBe(3);
    expect(await all(cats.asyncGenerator())).toEqual([1]);
    expect(trace.lines).toEqual([]);
  });
});

describe('an observable with TraceRegion', () => {
  afterEach(stopMadeUpTrace);

  it('is subscribed in the region', () => {
    const trace = startMadeUpTrace();
    const cats = new (catsWith(TraceRegion))();
    cats.observable().subscribe();
    expect(trace.regions.get('work')).toBe('Cats.observable');
  });
});

describe('a generator with', () => {
  const Cats = catsWith(TraceRegion);
  const [cats, tasks] = [new Cats(), new (catsWith(TraceTask))()];
  let lines: string[];

  beforeEach(() => {
    ({ lines } = startMadeUpTrace());
  });
  afterEach(stopMadeUpTrace);

  it('TraceRegion has a region for each step, with the values that go in and out', () => {
    const generator = cats.generator();
    expect(lines).toEqual([]);
    expect(generator.next('ignored')).toEqual({ value: 1, done: false });
    expect(generator.next('work')).toEqual({ value: 'done', done: true });
    expect(lines).toEqual([...regions('generator'), ...regions('generator', 'work')]);
  });

  it('TraceTask is one task for all steps, until it finishes', () => {
    const generator = tasks.generator();
    expect(generator.next('ignored')).toEqual({ value: 1, done: false });
    lines.push('others');
    expect(generator.next('work')).toEqual({ value: 'done', done: true });
    expect(lines).toEqual([
      'begin task Cats.generator',
      'others',
      'log at=work in Cats.generator',
      'end task Cats.generator',
    ]);
  });

  it('TraceTask ends when the consumer stops early, or an error goes in or comes out', () => {
    const generator = tasks.generator();
    generator.next('ignored');
    generator.return('early');
    expect(() => tasks.generator().throw(FAILURE)).toThrow(FAILURE);
    expect(() => [...tasks.throwsLater()]).toThrow(FAILURE);
    expect(lines).toEqual([...task('generator'), ...task('generator'), ...task('throwsLater')]);
  });

  it('TraceRegion, if async, has a region for each step until its promise is settled', async () => {
    expect(await all(cats.asyncGenerator())).toEqual([1]);
    expect(lines.splice(0)).toEqual([...regions('asyncGenerator'), ...regions('asyncGenerator', 'work')]);
    await expect(all(cats.rejectsLater())).rejects.toBe(FAILURE);
    expect(lines).toEqual([...regions('rejectsLater'), ...regions('rejectsLater')]);
  });

  it('TraceTask, if async, is one task until it finishes or fails', async () => {
    expect(await all(tasks.asyncGenerator())).toEqual([1]);
    expect(lines.splice(0)).toEqual(task('asyncGenerator', 'log at=work in Cats.asyncGenerator'));
    await expect(all(tasks.rejectsLater())).rejects.toBe(FAILURE);
    expect(lines).toEqual(task('rejectsLater'));
  });

  it('TraceRegion is still one of its generator function', () => {
    expect(cats.generator()).toBeInstanceOf(Cats.prototype.generator);
    expect(String(cats.generator())).toBe('[object Generator]');
  });

  it('both decorators has a task, and a region for each step', () => {
    class Both {
      @TraceTask('task')
      @TraceRegion('region')
      *inner(): Generator<number> {
        yield 1;
      }

      @TraceRegion('region')
      @TraceTask('task')
      *outer(): Generator<number> {
        yield 1;
      }
    }
    expect([...new Both().inner()]).toEqual([1]);
    const step = ['begin region in task', 'end region'];
    expect(lines.splice(0)).toEqual(['begin task task', ...step, ...step, 'end task task']);
    expect([...new Both().outer()]).toEqual([1]);
    expect(lines).toEqual([
      'begin task task',
      'begin region',
      'end region',
      'begin region',
      'end task task',
      'end region',
    ]);
  });
});

describe('a handler with TraceRegion', () => {
  const Marked = SetMetadata('marked', 'yes');
  const Guarded = UseGuards({ canActivate: () => true });

  @Controller('cats')
  class CatsController {
    @TraceRegion()
    @Get('above')
    @Marked
    @Guarded
    below(@Param('id') id: string): string {
      return id;
    }

    @Get('above')
    @Marked
    @Guarded
    @TraceRegion()
    above(@Param('id') id: string): string {
      return id;
    }

    @Get('above')
    @Marked
    @Guarded
    plain(@Param('id') id: string): string {
      return id;
    }
  }
  const { above, below, plain } = CatsController.prototype;

  it.each([
    ['above', above],
    ['below', below],
  ])('has the metadata of decorators %s it, its name and length', (name, method) => {
    expect(metadataOf(method)).toEqual(metadataOf(plain));
    expect([method.name, method.length]).toEqual([name, 1]);
  });

  it('is found by its name', () => {
    const restore = noteMethods([CatsController]);
    expect([above, below].map((method) => handlerName(method))).toEqual([
      'CatsController.above',
      'CatsController.below',
    ]);
    restore();
  });
});

function regions(method: string, ...work: string[]): string[] {
  return [`begin Cats.${method}`, ...work.map((line) => `log at=${line}`), `end Cats.${method}`];
}

function task(method: string, ...lines: string[]): string[] {
  return [`begin task Cats.${method}`, ...lines, `end task Cats.${method}`];
}

function metadataOf(method: object): Map<unknown, unknown> {
  const keys = Reflect.getOwnMetadataKeys(method) as unknown[];
  return new Map(keys.map((key) => [key, Reflect.getMetadata(key, method) as unknown]));
}
