import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ownDirectory } from './own-directory.js';

const { prepareStackTrace, stackTraceLimit } = Error;
const theirs = (): string => 'theirs';

describe('ownDirectory', () => {
  afterEach(() => {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  });

  it('is the directory of the package, from which its files are found', () => {
    const worker = new URL('profiling/frames/source-maps/map-worker.ts', ownDirectory());
    expect(existsSync(worker)).toBe(true);
  });

  it('restores what others have set on Error', () => {
    Object.assign(Error, { prepareStackTrace: theirs, stackTraceLimit: 0 });
    expect(existsSync(ownDirectory())).toBe(true);
    expect(Error.prepareStackTrace).toBe(theirs);
    expect(Error.stackTraceLimit).toBe(0);
  });
});
