import { describe, expect, it } from '@jest/globals';
import type { PlaceInCode } from '../../format/builder.js';
import type { RawFrame } from '../../sampling/sampler.js';
import type { ClassNames } from './class-names.js';
import { HoldMeter } from '../loop.js';
import { FrameResolver } from './frame-resolver.js';
import type { OriginalPlace, SourceMapper } from './source-maps/source-mapper.js';

const FRAME: RawFrame = {
  functionName: 'findOne',
  url: 'file:///app/dist/cats%20and%20dogs.js',
  scriptId: 7,
  functionLine: 10,
  functionColumn: 10,
  line: 12,
};
const ORIGINAL: OriginalPlace = { filename: '/app/src/cats.ts', line: 33, startLine: 30 };

async function resolved(
  frame: Partial<RawFrame>,
  { original, className }: { original?: OriginalPlace; className?: string } = {},
): Promise<PlaceInCode> {
  const sourceMapper = { load: async () => () => original } as unknown as SourceMapper;
  const classNames = { load: async () => () => className } as unknown as ClassNames;
  const resolver = new FrameResolver(sourceMapper, classNames);
  const [place, ...others] = await resolver.resolve([{ ...FRAME, ...frame }], new HoldMeter());
  expect(others).toEqual([]);
  return place!;
}

describe('FrameResolver', () => {
  it('shows what V8 says, with a path that clients open', async () => {
    expect(await resolved({})).toMatchObject({
      functionName: 'findOne',
      filename: '/app/dist/cats and dogs.js',
      startLine: 10,
      line: 12,
    });
  });

  it('shows the class of a method, and the source that a person wrote', async () => {
    expect(await resolved({}, { className: 'CatsService', original: ORIGINAL })).toMatchObject({
      functionName: 'CatsService.findOne',
      filename: '/app/src/cats.ts',
      startLine: 30,
      line: 33,
    });
  });

  it('has the address of V8’s frame, whatever is shown', async () => {
    const { address } = await resolved({});
    const shown = await Promise.all([
      resolved({}, { className: 'CatsService' }),
      resolved({}, { original: ORIGINAL }),
      resolved({}, { original: { ...ORIGINAL, functionName: 'findOneCat' } }),
      resolved({}, { className: 'CatsService', original: { ...ORIGINAL, line: 1, startLine: 0 } }),
      resolved({ scriptId: 8 }), // which differs from run to run
    ]);
    expect(shown.map((place) => place.address)).toEqual(shown.map(() => address));
  });

  it.each<[string, Partial<RawFrame>]>([
    ['another name of V8', { functionName: 'findAll' }],
    ['another file', { url: 'file:///app/dist/dogs.js' }],
    ['another line', { line: 13 }],
    ['another column', { functionColumn: 11 }],
  ])('has another address for %s', async (_, frame) => {
    expect((await resolved(frame)).address).not.toBe((await resolved({})).address);
  });

  it.each<[string, Partial<RawFrame>, OriginalPlace | undefined]>([
    ['(anonymous cats and dogs.js:10:10)', {}, undefined],
    ['(anonymous cats and dogs.js:12)', { functionLine: 0, functionColumn: 0 }, undefined],
    ['(anonymous cats.ts:30:10)', {}, ORIGINAL],
    ['(anonymous cats.ts:33)', { functionLine: 0, functionColumn: 0 }, { ...ORIGINAL, startLine: 0 }],
    ['(anonymous)', { url: '' }, undefined],
    ['(anonymous router/index.js:10:10)', { url: 'file:///app/node_modules/router/index.js' }, undefined],
    ['(anonymous router/index.js:10:10)', { url: '/app/node_modules/router/index.js' }, undefined],
    [
      '(anonymous @nestjs/core/router/router-proxy.js:10:10)',
      { url: 'file:///app/node_modules/@nestjs/core/router/router-proxy.js' },
      undefined,
    ],
    [
      '(anonymous @x/y/lib/z.js:10:10)',
      { url: 'file:///app/node_modules/.pnpm/@x+y@1.0.0_z@2/node_modules/@x/y/lib/z.js' },
      undefined,
    ],
    ['(anonymous inner/a.js:10:10)', { url: '/app/node_modules/outer/node_modules/inner/a.js' }, undefined],
    ['(anonymous x/a.js:10:10)', { url: 'C:\\app\\node_modules\\x\\a.js' }, undefined],
    [
      '(anonymous x/src/a.ts:30:10)',
      {},
      { ...ORIGINAL, filename: 'webpack://app/./node_modules/x/src/a.ts' },
    ],
    ['(anonymous a.js:10:10)', { url: 'file:///app/old_node_modules/x/a.js' }, undefined],
  ])('calls a function without a name %s', async (name, frame, original) => {
    const { functionName } = await resolved({ ...frame, functionName: '' }, { original });
    expect(functionName).toBe(name);
    expect(functionName).not.toMatch(/<|::/); // go tool pprof would shorten it
  });
});
