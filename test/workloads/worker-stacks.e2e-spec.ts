import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appFile, TestProcess } from '../support/process.js';

type Stacks = Readonly<Partial<Record<'spins' | 'waits' | 'idles', string[]>>>;

interface Told {
  readonly openedForNone: number;
  readonly unsettled: Stacks;
  readonly looks: readonly Stacks[];
  readonly before: object;
  readonly after: object;
  readonly earlier: Readonly<Record<string, number>>;
  readonly later: Readonly<Record<string, number>>;
  readonly answer: string;
}

/** Of a hundred: a machine that has more to do lets a thread answer too late now and then. */
const MANY = 50;

/** Later ones crash in `NodeWorker.enable` where a worker ends meanwhile, so no worker is looked at. */
const describeWhereSafe = Number.parseInt(process.versions.node, 10) < 25 ? describe : describe.skip;

describeWhereSafe('the current stacks of worker threads', () => {
  let told: Told;
  let code: number | null;
  beforeAll(async () => {
    const looking = new TestProcess(process.execPath, [appFile('worker-stacks.mjs')]);
    const [, json] = await looking.printed(/^(\{.*\})\n/m);
    told = JSON.parse(json!) as Told;
    code = await looking.exited;
  });
  afterAll(() => TestProcess.stopAll());

  const seen = (kind: keyof Stacks): string[][] =>
    told.looks.flatMap((look) => (look[kind] ? [look[kind]] : []));

  it('name what each executes, at the line: also one that never gives its loop a turn', () => {
    const spinning = seen('spins');
    expect(spinning.length).toBeGreaterThan(MANY);
    expect(new Set(spinning.map((stack) => stack.slice(0, 2).join()))).toEqual(new Set(['tight:6,spin:6']));
  });

  it('are none of those that do nothing', () => {
    expect(seen('idles')).toEqual([]);
  });

  it('leave the workers running, and what waits for them', () => {
    for (const kind of ['spins', 'waits']) expect(told.later[kind]).not.toBe(told.earlier[kind]); // 32 bits: it wraps
    expect(told.answer).toBe('alive');
  });

  it('leave nothing after a hundred times', () => {
    expect(told.after).toEqual(told.before);
  });

  it('are not asked of workers that have just been made, and cost nothing where there are none', () => {
    expect(told.unsettled).toEqual({});
    expect(told.openedForNone).toBe(0);
  });

  it('do no harm where workers end meanwhile', () => {
    expect(code).toBe(0);
  });
});
