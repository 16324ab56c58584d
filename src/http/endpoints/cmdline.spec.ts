import { describe, expect, it } from '@jest/globals';
import { commandLine, redacted } from './cmdline.js';

describe('redacted', () => {
  it.each([
    [['--password=hunter2'], ['--password=REDACTED']],
    [
      ['--db-password', 'hunter2', 'rest'],
      ['--db-password', 'REDACTED', 'rest'],
    ],
    [
      ['--token', '--verbose'],
      ['--token', '--verbose'],
    ],
    [
      ['--apiKey=k', '--api-key', 'k'],
      ['--apiKey=REDACTED', '--api-key', 'REDACTED'],
    ],
    [['DB_PASSWORD=hunter2'], ['DB_PASSWORD=REDACTED']],
    [['CLIENT_SECRET=a=b'], ['CLIENT_SECRET=REDACTED']],
    [['--url=postgres://user:pw@host/db'], ['--url=postgres://REDACTED@host/db']],
    [['redis://:pw@host'], ['redis://REDACTED@host']],
    [
      ['--auth=x', '--author=Jane'],
      ['--auth=REDACTED', '--author=Jane'],
    ],
    [
      ['--port=3000', 'serve'],
      ['--port=3000', 'serve'],
    ],
    [['--password='], ['--password=']],
  ])('of %j leaves %j', (args, left) => {
    expect(redacted(args)).toEqual(left);
  });

  it("leaves out what the user's expressions match, everywhere in an argument", () => {
    expect(redacted(['--ids=AB12,AB34'], [/AB\d+/])).toEqual(['--ids=REDACTED,REDACTED']);
  });
});

describe('commandLine', () => {
  it('is the executable, its options, the script and its arguments', () => {
    expect(commandLine()).toEqual([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  });
});
