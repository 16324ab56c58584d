import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TraceRegion, TraceTask } from '../decorators/trace.decorator.js';
import { processState } from '../sampling/process-state.js';
import { log, newTask, startRegion, withRegion } from './trace-annotations.js';
import type { TraceRun } from './trace-run.js';

/** What a trace is told, in order. */
let told: string[] = [];
let task: number | undefined;
let tasks = 0;

/** What annotations use of a trace. */
const trace = {
  over: new AbortController(),
  get context() {
    return { task };
  },
  now: () => 0,
  stackAbove: () => [],
  taskBegins(name: string): number {
    told.push(`task ${name}${task === undefined ? '' : ` of ${task}`}`);
    return ++tasks;
  },
  taskEnds: (ended: number) => void told.push(`task ${ended} ends`),
  enterTask: (entered: number | undefined) => (task = entered),
  inTask<T>(entered: number, work: () => T): T {
    const before = task;
    task = entered;
    try {
      return work();
    } finally {
      task = before;
    }
  },
  say: (key: string, text: string) => void told.push(`${key}: ${text}`),
  region: () => {
    let name = '';
    return {
      begin(begun: string): void {
        name = begun;
        told.push(name);
      },
      within: <T>(work: () => T): T => work(),
      enter: (): void => {},
      end: (): void => void told.push(`${name} ends`),
    };
  },
};

class Barista {
  readonly order = 'espresso';

  @TraceRegion()
  pour(): string {
    told.push('pouring');
    return this.order;
  }

  @TraceRegion('brew')
  async brew(): Promise<string> {
    await sleep(1);
    told.push('brewing');
    return this.order;
  }

  @TraceRegion('spill')
  async spill(): Promise<never> {
    throw new Error('spilled');
  }

  @TraceRegion('drop')
  drop(): never {
    throw new Error('dropped');
  }

  @TraceRegion('cups')
  *cups(): Generator<number, string, number | undefined> {
    const got = yield 1;
    yield got ?? 2;
    return 'all';
  }

  @TraceRegion('served')
  async *served(): AsyncGenerator<number> {
    yield 1;
    await sleep(1);
    yield 2;
  }

  @TraceTask()
  async serve(): Promise<string> {
    return this.brew();
  }

  @TraceTask('wash')
  *wash(): Generator<number | undefined> {
    yield task;
    yield task;
  }

  @TraceRegion()
  static open(): string {
    return 'open';
  }
}

const barista = new Barista();

beforeEach(() => {
  told = [];
  task = undefined;
  tasks = 0;
});
afterEach(() => {
  processState().trace = undefined;
});

describe('while nothing is traced', () => {
  it('annotations do nothing', async () => {
    expect(barista.pour()).toBe('espresso');
    expect(await barista.brew()).toBe('espresso');
    expect([...barista.cups()]).toEqual([1, 2]);
    await expect(barista.spill()).rejects.toThrow('spilled');
    expect(withRegion('x', () => 7)).toBe(7);
    newTask('x').end();
    startRegion('x', startRegion).end();
    expect(told).toEqual(['pouring', 'brewing']);
  });
});

describe('while something is traced', () => {
  beforeEach(() => {
    processState().trace = trace as unknown as TraceRun;
  });

  it('a region lasts until a method returns, or throws', () => {
    expect(barista.pour()).toBe('espresso');
    expect(() => barista.drop()).toThrow('dropped');
    expect(Barista.open()).toBe('open');
    expect(told).toEqual([
      'Barista.pour',
      'pouring',
      'Barista.pour ends',
      'drop',
      'drop ends',
      'Barista.open',
      'Barista.open ends',
    ]);
  });

  it('a region lasts until a promise is settled', async () => {
    expect(await barista.brew()).toBe('espresso');
    await expect(barista.spill()).rejects.toThrow('spilled');
    expect(told).toEqual(['brew', 'brewing', 'brew ends', 'spill', 'spill ends']);
  });

  it('a region lasts until a generator is through, whichever way', async () => {
    const cups = barista.cups();
    expect(cups.next(0)).toEqual({ done: false, value: 1 });
    expect(told).toEqual(['cups']);
    expect(cups.next(5)).toEqual({ done: false, value: 5 });
    expect(cups.next(0)).toEqual({ done: true, value: 'all' });
    expect(told).toEqual(['cups', 'cups ends']);

    for (const cup of barista.cups()) if (cup === 1) break;
    const failing = barista.cups();
    expect(() => failing.throw(new Error('broken'))).toThrow('broken');
    expect(told.filter((one) => one === 'cups ends')).toHaveLength(3);

    const served: number[] = [];
    for await (const cup of barista.served()) served.push(cup);
    expect(served).toEqual([1, 2]);
    expect(told.slice(-2)).toEqual(['served', 'served ends']);
  });

  it('what a task does belongs to it, in all steps of a generator too', async () => {
    await barista.serve();
    expect(told).toEqual(['task Barista.serve', 'brew', 'brewing', 'brew ends', 'task 1 ends']);
    expect([...barista.wash()]).toEqual([2, 2]);
    expect(task).toBeUndefined();
  });

  it('a task by hand lasts until its end, and tasks may be within another', () => {
    const outer = newTask('outer');
    const inner = newTask('inner');
    inner.end();
    inner.end();
    outer.end();
    expect(told).toEqual(['task outer', 'task inner of 1', 'task 2 ends', 'task 1 ends']);
    expect(task).toBeUndefined();
  });

  it.each([undefined, Symbol('order'), 7])('a name may be what its type does not say: %p', (given) => {
    const name = given as unknown as string;
    newTask(name).end();
    startRegion(name, startRegion).end();
    withRegion(name, () => {});
    log(name, name);
    const shown = String(given);
    const region = [shown, `${shown} ends`];
    expect(told).toEqual([`task ${shown}`, 'task 1 ends', ...region, ...region, `${shown}: ${shown}`]);
  });

  it('what is no method cannot be annotated', () => {
    class Barista {}
    const descriptor: PropertyDescriptor = { get: () => 7 };
    expect(() => TraceRegion()(Barista.prototype, 'coffee', descriptor)).toThrow(
      '@TraceTask() and @TraceRegion() are for methods, and Barista.coffee is none',
    );
  });

  it('a method keeps its name and length', () => {
    expect([barista.brew.name, barista.brew.length]).toEqual(['brew', 0]);
  });
});
