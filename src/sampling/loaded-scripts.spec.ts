import { createHash } from 'node:crypto';
import { runInThisContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadedScripts, mayTransformCode } from './loaded-scripts.js';

describe('loadedScripts', () => {
  it('finds a script of a name if there is one', () => {
    const names = [
      { scriptId: 0, url: '/no/such.js' },
      { scriptId: 1e9, url: 'node:fs' },
    ];
    expect(loadedScripts(names)).toEqual([undefined, undefined]);
    const code = 'void 0; // größer\n//# sourceURL=/app/one.ts';
    const hash = createHash('sha256').update(code).digest('hex');
    runInThisContext(code);
    expect(loadedScripts([{ scriptId: 0, url: '/app/one.ts' }])).toEqual([{ hash, source: code }]);
  });
});

describe('mayTransformCode', () => {
  const { execArgv } = process;
  const { NODE_OPTIONS } = process.env;
  const { JEST_WORKER_ID } = process.env;
  beforeEach(() => {
    delete process.env.JEST_WORKER_ID;
  });
  afterEach(() => {
    process.env.JEST_WORKER_ID = JEST_WORKER_ID;
    process.execArgv = execArgv;
    process.env.NODE_OPTIONS = NODE_OPTIONS ?? '';
  });

  it.each([
    [['--import', 'tsx']],
    [['--import=@swc-node/register/esm-register']],
    [['--loader', 'ts-node/esm']],
    [['--experimental-loader=x']],
  ])('is true with %j', (options) => {
    process.execArgv = options;
    expect(mayTransformCode()).toBe(true);
    process.execArgv = [];
    process.env.NODE_OPTIONS = options.join(' ');
    expect(mayTransformCode()).toBe(true);
  });

  it.each([
    [[]],
    [['--import', 'nestjs-pprof/preload']],
    [['--enable-source-maps', '--require', 'dotenv/config']],
  ])('is false with %j', (options) => {
    process.execArgv = options;
    expect(mayTransformCode()).toBe(false);
  });
});
