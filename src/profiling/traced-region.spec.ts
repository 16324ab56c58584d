import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Execution, ExecutionRecorder } from '../sampling/trace-executions.js';
import { TracedRegion } from './traced-region.js';

/** What is told, in order: regions with the names of their executions. */
let told: string[] = [];
let numbers = 0;
let recorder: ExecutionRecorder;

const sink = {
  now: () => recorder.now(),
  nextRegion: () => ++numbers,
  regionBegins: (_at: number, name: string, { execution }: { execution: Execution }): void =>
    void told.push(`${name} in ${execution.name}`),
  regionEnds: ({ execution }: { execution: Execution }): void => void told.push(`end in ${execution.name}`),
};

const nothing = (): void => {};

beforeEach(() => {
  told = [];
  recorder = new ExecutionRecorder({
    execution: nothing,
    run: nothing,
    idle: nothing,
    wait: nothing,
    wake: nothing,
    ended: nothing,
    failed: nothing,
  });
  recorder.start();
});
afterEach(() => recorder.stop());

async function inRequest(work: () => Promise<unknown> | void): Promise<void> {
  await new AsyncResource('REQUEST').runInAsyncScope(async () => {
    recorder.enter(recorder.begin('request').context);
    await work();
  });
}

async function region(name: string, work: () => Promise<unknown> | void = nothing): Promise<void> {
  const traced = new TracedRegion(sink, recorder);
  traced.begin(name);
  await traced.within(async () => {
    await work();
    traced.end();
  });
}

describe('regions', () => {
  it('nest in one execution, one after the other', async () => {
    await inRequest(() =>
      region('outer', async () => {
        await region('first', () => sleep(1));
        await region('second', () => sleep(1));
      }),
    );
    expect(told).toEqual([
      'outer in request',
      'first in request',
      'end in request',
      'second in request',
      'end in request',
      'end in request',
    ]);
  });

  it('that go on beside each other are in executions of their own', async () => {
    let open!: () => void;
    const secondIsOver = new Promise<void>((resolve) => (open = resolve));
    await inRequest(() =>
      region('outer', async () => {
        const both = [
          region('first', () => secondIsOver),
          region('second', async () => {
            await sleep(1);
            await region('inner');
          }),
        ];
        await both[1]!.then(open);
        await Promise.all(both);
        await region('last');
      }),
    );
    expect(told).toEqual([
      'outer in request',
      'first in request',
      'second in second',
      'inner in second',
      'end in second',
      'end in second',
      'end in request',
      'last in request',
      'end in request',
      'end in request',
    ]);
  });

  it('begun by hand are around what follows, until they end', async () => {
    await inRequest(async () => {
      const traced = new TracedRegion(sink, recorder);
      traced.begin('by hand');
      traced.enter();
      await sleep(1);
      await region('inner');
      traced.end();
      await region('after');
    });
    expect(told).toEqual([
      'by hand in request',
      'inner in request',
      'end in request',
      'end in request',
      'after in request',
      'end in request',
    ]);
  });

  it('that begin late are around what has begun in them', async () => {
    await inRequest(() =>
      region('outer', async () => {
        const late = new TracedRegion(sink, recorder);
        const work = late.within(() => region('inner', () => sleep(2)));
        late.begin('late');
        await work;
        await late.within(() => region('next'));
        late.end();
        await region('after');
      }),
    );
    expect(told).toEqual([
      'outer in request',
      'inner in request',
      'late in request',
      'end in request',
      'next in request',
      'end in request',
      'end in request',
      'after in request',
      'end in request',
      'end in request',
    ]);
  });

  it('end with the one that they are in, and once', async () => {
    await inRequest(async () => {
      const outer = new TracedRegion(sink, recorder);
      outer.begin('outer');
      outer.enter();
      const inner = new TracedRegion(sink, recorder);
      inner.begin('inner');
      outer.end();
      inner.end();
      outer.end();
      await region('after');
    });
    expect(told).toEqual([
      'outer in request',
      'inner in request',
      'end in request',
      'after in request',
      'end in request',
    ]);
  });
});
