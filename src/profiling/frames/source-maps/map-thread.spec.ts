import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { workerFile } from './map-thread.js';

const { prepareStackTrace, stackTraceLimit } = Error;
const theirs = (): string => 'theirs';

describe('workerFile', () => {
  afterEach(() => {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  });

  it('is the file beside this one', () => {
    const { href } = workerFile();
    expect(href).toMatch(/source-maps\/map-worker\.js$/);
    expect(existsSync(new URL(href.replace(/js$/, 'ts')))).toBe(true);
  });

  it('keeps the settings of others on Error', () => {
    Object.assign(Error, { prepareStackTrace: theirs, stackTraceLimit: 0 });
    expect(workerFile().href).toMatch(/map-worker/);
    expect(Error.prepareStackTrace).toBe(theirs);
    expect(Error.stackTraceLimit).toBe(0);
  });
});
