import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { thisFile } from './this-file.js';

const { prepareStackTrace, stackTraceLimit } = Error;
const theirs = (): string => 'theirs';

describe('thisFile', () => {
  afterEach(() => {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  });

  it('is the file that it is in', () => {
    const file = thisFile()!;
    expect(file).toMatch(/source-maps\/this-file\.[jt]s$/);
    expect(existsSync(file.startsWith('file:') ? fileURLToPath(file) : file)).toBe(true);
  });

  it('leaves what others have set', () => {
    Object.assign(Error, { prepareStackTrace: theirs, stackTraceLimit: 0 });
    expect(thisFile()).toMatch(/this-file/);
    expect(Error.prepareStackTrace).toBe(theirs);
    expect(Error.stackTraceLimit).toBe(0);
  });
});
