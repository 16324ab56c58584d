import { describe, expect, it } from '@jest/globals';
import { finished } from './finished.js';
import { type DumpedExecution, goroutineDump } from './goroutine-dump.js';

const ONE: DumpedExecution = {
  id: 12,
  state: 'IO wait',
  ageMs: 500,
  labels: {},
  frames: [{ functionName: 'CatsService.find', filename: '/app/src/cats.ts', line: 41 }],
};

const text = (...executions: Partial<DumpedExecution>[]): string =>
  finished(goroutineDump(executions.map((more) => ({ ...ONE, ...more })))).join('');

describe('the dump of goroutines', () => {
  it('is that of Go: number, state, labels, frames, who made it', () => {
    expect(
      text({
        ageMs: 192_000,
        labels: { route: 'GET /cats/:id', age: '192.0s' },
        frames: [
          { functionName: 'CatsService.find', filename: '/app/src/cats.ts', line: 41 },
          { functionName: '(TCPSocketWrap)', filename: '', line: 0 },
        ],
        createdBy: {
          id: 3,
          frame: {
            functionName: 'CatsController.findOne',
            filename: '/app/src/cats.controller.ts',
            line: 18,
          },
        },
      }),
    ).toBe(
      [
        'goroutine 12 [IO wait, 3 minutes] {route: "GET /cats/:id", age: 192.0s}:',
        'CatsService.find(...)',
        '\t/app/src/cats.ts:41',
        '(TCPSocketWrap)(...)',
        '\t??:0',
        'created by CatsController.findOne in goroutine 3',
        '\t/app/src/cats.controller.ts:18',
        '',
      ].join('\n'),
    );
  });

  it('has an empty line between two, and none after the last', () => {
    expect(text({}, { id: 13 })).toBe(
      'goroutine 12 [IO wait]:\nCatsService.find(...)\n\t/app/src/cats.ts:41\n\n' +
        'goroutine 13 [IO wait]:\nCatsService.find(...)\n\t/app/src/cats.ts:41\n',
    );
    expect(text()).toBe('');
  });

  it.each([
    [undefined, ''],
    [0, ''],
    [59_999, ''],
    [60_000, ', 1 minutes'], // as Go has it
    [119_999, ', 1 minutes'],
    [3_600_000, ', 60 minutes'],
  ])('tells whole minutes of %s ms', (ageMs, minutes) => {
    expect(text({ ageMs })).toMatch(new RegExp(`^goroutine 12 \\[IO wait${minutes}\\]:\n`));
  });

  it.each([
    ['a/b.c_9', 'a/b.c_9'],
    ['GET /cats', '"GET /cats"'],
    ['say "hi"', String.raw`"say \"hi\""`],
    ['a:b', '"a:b"'],
    ['', '""'],
    ['Käse', '"Käse"'],
    ['two\nlines', String.raw`"two\nlines"`],
  ])('quotes a label as Go does: %j', (value, shown) => {
    expect(text({ labels: { key: value } })).toContain(`] {key: ${shown}}:\n`);
    expect(text({ labels: { [value]: 'x' } })).toContain(`] {${shown}: x}:\n`);
  });

  it('keeps what has line breaks in one line', () => {
    const frame = { functionName: 'a\nb', filename: '/app/x\r\ny.ts', line: 1 };
    expect(text({ frames: [frame], createdBy: { id: 1, frame } })).toBe(
      'goroutine 12 [IO wait]:\na b(...)\n\t/app/x y.ts:1\ncreated by a b in goroutine 1\n\t/app/x y.ts:1\n',
    );
  });

  it('yields now and then', () => {
    const dump = goroutineDump(Array.from({ length: 1000 }, (_, id) => ({ ...ONE, id })));
    let yields = 0;
    while (!dump.next().done) yields++;
    expect(yields).toBeGreaterThan(10);
  });
});
