import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDump } from '../../test/support/goroutine-dump.js';
import { finished } from './finished.js';
import { type Execution, goroutineDump } from './goroutine-dump.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const dump = (...executions: readonly Execution[]): string => finished(goroutineDump(executions)).join('');

const FIND_ONE = { name: 'CatsController.findOne', filename: '/app/src/cats.controller.ts', line: 20 };
const QUERY = { name: 'Database.query', filename: '/app/src/database.ts', line: 7 };

const CURRENT: Execution = {
  id: 1,
  state: 'running',
  waitedMs: 0,
  labels: {},
  stack: [{ name: 'goroutine', filename: '/app/node_modules/nestjs-pprof/dist/index.js', line: 3 }],
};

const waiting = (more: Partial<Execution>): Execution => ({
  ...CURRENT,
  id: 12,
  state: 'IO wait',
  stack: [QUERY, FIND_ONE],
  ...more,
});

describe('the dump of goroutines', () => {
  it('has a block for each execution, in their order, with an empty line between two', () => {
    const route = { route: 'GET /cats/:id', pod: 'web-1', worker: 0 };
    expect(
      dump(
        CURRENT,
        waiting({ waitedMs: 3 * 60_000 + 59_999, labels: route, createdBy: { frame: FIND_ONE, in: 3 } }),
        waiting({ id: 7, state: 'chan receive (leaked)', createdBy: { frame: 'CatsController.findOne' } }),
      ),
    ).toBe(
      [
        'goroutine 1 [running]:',
        'goroutine(...)',
        '\t/app/node_modules/nestjs-pprof/dist/index.js:3',
        '',
        'goroutine 12 [IO wait, 3 minutes] {route: "GET /cats/:id", pod: "web-1", worker: 0}:',
        'Database.query(...)',
        '\t/app/src/database.ts:7',
        'CatsController.findOne(...)',
        '\t/app/src/cats.controller.ts:20',
        'created by CatsController.findOne in goroutine 3',
        '\t/app/src/cats.controller.ts:20',
        '',
        'goroutine 7 [chan receive (leaked)]:',
        'Database.query(...)',
        '\t/app/src/database.ts:7',
        'CatsController.findOne(...)',
        '\t/app/src/cats.controller.ts:20',
        'created by CatsController.findOne',
        '\t??:0',
        '',
      ].join('\n'),
    );
  });

  it('is empty without executions', () => {
    expect(dump()).toBe('');
  });

  it.each([
    [0, ''],
    [59_999.9, ''],
    [60_000, ', 1 minutes'],
    [3_600_000, ', 60 minutes'],
  ])('shows whole minutes, from the first one on: after %d ms "%s"', (waitedMs, text) => {
    expect(dump(waiting({ waitedMs }))).toContain(`goroutine 12 [IO wait${text}]:\n`);
  });

  it.each([
    ['a/b.c_1', 'a/b.c_1'],
    ['', ''],
    ['a-b', '"a-b"'],
    ['a "b"\\c', '"a \\"b\\"\\\\c"'],
    ['a\n\r\t\u0001\u007f', '"a\\n\\r\\t\\x01\\u007f"'],
    ['café 🐈', '"caf\\u00e9 \\U0001f408"'],
  ])('quotes the label %j as Go does', (label, text) => {
    expect(dump(waiting({ labels: { [label]: label } }))).toContain(`[IO wait] {${text}: ${text}}:\n`);
  });

  it('leaves out labels that make the line longer than clients read', () => {
    const [long, labels] = ['x'.repeat(3000), { a: 1, b: 'y'.repeat(3000) }];
    expect(parseDump(dump(waiting({ labels: { ...labels, long, c: 2 } })))[0]!.labels).toEqual({
      a: '1',
      b: labels.b,
    });
  });

  it.each([
    ['get [foo](bar)', 'get [foo](bar)'],
    ['(anonymous cats.service.ts:12)', '(anonymous cats.service.ts:12)'],
    ['(anonymous cats (copy).ts:12)', '[anonymous cats [copy].ts:12]'],
    ['a)b(c', 'a]b[c'],
    ['', '(anonymous)'],
    ['two\nlines\t', 'two lines '],
    ['created by accident', '\u200bcreated by accident'],
    ['...rest', '\u200b...rest'],
  ])('has the name %j as %j', (name, shown) => {
    const text = dump(waiting({ stack: [{ ...QUERY, name }] }));
    expect(text).toContain(`\n${shown}(...)\n\t/app/src/database.ts:7\n`);
    expect(parseDump(text)[0]!.stack).toMatchObject([{ name: shown, line: 7 }]);
  });

  it.each([
    ['', '??:0'],
    ['node:internal/timers', 'node:internal/timers:7'],
    ['http://localhost:3000/a b.js', 'http://localhost%3A3000/a b.js:7'],
    ['C:\\app\\main.js', 'C:\\app\\main.js:7'],
    ['/app/a\nb.ts', '/app/a b.ts:7'],
  ])('has the file %j as %j', (filename, place) => {
    const frame = { ...QUERY, filename };
    const lines = dump(waiting({ stack: [frame], createdBy: { frame } })).split('\n');
    expect(lines.filter((line) => line.startsWith('\t'))).toEqual([`\t${place}`, `\t${place}`]);
  });

  it('shows the 50 inner and the 50 outer frames of a deep stack', () => {
    const stack = Array.from({ length: 103 }, (_, line) => ({ ...QUERY, line }));
    const [deep, fits] = parseDump(dump(waiting({ stack }), waiting({ stack: stack.slice(3) })));
    expect(deep!.elided).toEqual({ after: 50, count: 3 });
    expect(deep!.stack.map(({ line }) => line)).toEqual(
      [...stack.slice(0, 50), ...stack.slice(53)].map(({ line }) => line),
    );
    expect(fits).not.toHaveProperty('elided');
    expect(fits!.stack).toHaveLength(100);
  });

  it('shows an execution without a stack', () => {
    expect(dump(waiting({ stack: [] }))).toContain('[IO wait]:\n(no stack)(...)\n\t??:0\n');
  });

  it('is read by a client whatever the names, files and labels are', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: fc.constantFrom(...'()[]:1 \n.') }),
    );
    const frame = fc.oneof(text, fc.record({ name: text, filename: text, line: fc.nat() }));
    const execution = fc.record(
      {
        id: fc.nat(),
        state: fc.constantFrom('running', 'IO wait', 'chan receive (leaked)'),
        waitedMs: fc.nat(),
        labels: fc.dictionary(text, text),
        stack: fc.array(frame),
        createdBy: fc.record({ frame, in: fc.nat() }),
      },
      { requiredKeys: ['id', 'state', 'waitedMs', 'labels', 'stack'] },
    );
    fc.assert(
      fc.property(fc.array(execution), (executions) => {
        const read = parseDump(dump(...executions));
        expect(read.map(({ id, state, minutes, labels }) => ({ id, state, minutes, labels }))).toEqual(
          executions.map(({ id, state, waitedMs, labels }) => ({
            id,
            state,
            minutes: Math.floor(waitedMs / 60_000),
            labels: { ...labels },
          })),
        );
        expect(read.map(({ stack, elided }) => stack.length + (elided?.count ?? 0))).toEqual(
          executions.map(({ stack }) => Math.max(1, stack.length)),
        );
        expect(read.map(({ createdBy }) => createdBy?.in)).toEqual(
          executions.map(({ createdBy }) => createdBy?.in),
        );
      }),
    );
  });

  it('is written in pieces and slices', () => {
    const executions = Array.from({ length: 10_000 }, (_, id) => waiting({ id }));
    const work = goroutineDump(executions);
    let slices = 0;
    let step = work.next();
    for (; !step.done; step = work.next()) slices++;
    expect(slices).toBe(500);
    const sizes = step.value.map(({ length }) => length);
    const block = dump(executions.at(-1)!).length;
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(256 * 1024);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(256 * 1024 + block);
    expect(parseDump(step.value.join('')).map(({ id }) => id)).toEqual(executions.map(({ id }) => id));
  });
});
