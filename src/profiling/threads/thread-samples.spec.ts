import { describe, expect, it } from '@jest/globals';
import type { CreatedWorker } from '../../sampling/worker-creation.js';
import { threadSamples } from './thread-samples.js';

type Created = Pick<CreatedWorker, 'name' | 'stack'>;

const at = (name: string): Created['stack'] => [{ name, filename: '/app/pool.js', line: 7 }];
const unnamed: Created = { name: '', stack: at('startOne') };
const named: Created = { name: 'resize images in a pool', stack: at('startPool') };

const several = (count: number, name: string): string[] => Array.from({ length: count }, () => name);

/** Samples in short: the leaf and, where there is one, the worker's name, with the sum of their values. */
function shown(...args: Parameters<typeof threadSamples>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { stack: [leaf] = [], values, labels } of threadSamples(...args)) {
    const frame = typeof leaf === 'string' ? leaf : leaf!.name;
    const key = labels?.worker ? `${frame} ${labels.worker}` : frame;
    sums[key] = (sums[key] ?? 0) + Number(values);
  }
  return sums;
}

/** A service with a pool of libuv's, with two workers of one name and one without, as each Node names their threads. */
const NODES = [
  {
    node: 20,
    names: { main: 'node', others: several(13, 'node') },
    workers: [
      { ...named, name: '' },
      { ...named, name: '' },
    ],
    expected: { '(main)': 1, startPool: 2, startOne: 1, '(native thread)': 10 },
  },
  {
    node: 22,
    names: {
      main: 'node',
      others: ['DelayedTaskSche', ...several(8, 'node'), ...several(4, 'libuv-worker')],
    },
    expected: {
      '(main)': 1,
      'startPool resize images in a pool': 2,
      startOne: 1,
      '(native thread)': 5,
      '(DelayedTaskScheduler)': 1,
      '(libuv-worker)': 4,
    },
  },
  ...[
    { node: 24, prefix: '' },
    { node: 26, prefix: 'node-' },
  ].map(({ node, prefix }) => ({
    node,
    names: {
      main: `${prefix}MainThread`,
      others: [
        'DelayedTaskSche',
        ...several(4, `${prefix}V8Worker`),
        'SignalInspector',
        ...several(2, 'resize images i'),
        'WorkerThread',
        ...several(4, 'libuv-worker'),
      ],
    },
    expected: {
      '(main)': 1,
      'startPool resize images in a pool': 2,
      startOne: 1,
      '(V8Worker)': 4,
      '(SignalInspector)': 1,
      '(DelayedTaskScheduler)': 1,
      '(libuv-worker)': 4,
    },
  })),
];

describe('threadSamples', () => {
  it.each(NODES)('counts each thread once, with the names of Node $node', ({ names, expected, ...rest }) => {
    const { workers = [named, named] } = rest as { workers?: Created[] };
    const samples = shown(names, [...workers, unnamed]);
    expect(samples).toMatchObject(expected);
    const sum = Object.values(samples).reduce((a, b) => a + b, 0);
    expect(sum).toBe(names.others.length + 1);
  });

  it('shows the main thread and the workers where the system lists no threads', () => {
    expect(shown(undefined, [named, unnamed])).toEqual({
      '(main)': 1,
      'startPool resize images in a pool': 1,
      startOne: 1,
    });
  });

  it('finds the thread of a worker that has not named itself yet', () => {
    expect(shown({ main: 'MainThread', others: ['MainThread'] }, [named])).toEqual({
      '(main)': 1,
      'startPool resize images in a pool': 1,
    });
  });

  it('leaves out a worker whose thread has ended', () => {
    expect(shown({ main: 'MainThread', others: ['V8Worker'] }, [named])).toEqual({
      '(main)': 1,
      '(V8Worker)': 1,
    });
  });

  it('shows a worker thread that was created before as the system names it', () => {
    expect(shown({ main: 'MainThread', others: ['WorkerThread', 'mail'] }, [])).toEqual({
      '(main)': 1,
      '(worker thread)': 1,
      '(mail)': 1,
    });
  });

  it('shows a worker of which no stack is known by a frame', () => {
    expect(shown(undefined, [{ name: '', stack: [] }])).toEqual({ '(main)': 1, '(worker thread)': 1 });
  });

  it('takes threads with the name of a renamed process for such without a name', () => {
    expect(shown({ main: 'my-service', others: ['my-service', 'node'] }, [])).toEqual({
      '(main)': 1,
      '(native thread)': 2,
    });
  });
});
