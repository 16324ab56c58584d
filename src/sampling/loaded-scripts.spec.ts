import { afterEach, describe, expect, it } from '@jest/globals';
import { loadedScripts, mayTransformCode } from './loaded-scripts.js';

describe('loadedScripts', () => {
  it('finds no script of another name', () => {
    expect(loadedScripts(new Map([[1, '/no/such.js']]))).toEqual(new Map());
  });
});

describe('mayTransformCode', () => {
  const { execArgv } = process;
  const { NODE_OPTIONS } = process.env;
  afterEach(() => {
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
