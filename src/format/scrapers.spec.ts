import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Profile as Decoded } from 'pprof-format';
import { COUNTS, HEAP, type MadeUpSample, madeUpProfile } from '../../test/support/made-up-profile.js';
import { SCRAPER_RULES } from '../../test/support/scraper-rules.js';
import { addressOf } from './address.js';
import { finished } from './finished.js';
import { merge } from './merge.js';
import type { Profile } from './profile.js';
import { encodeProfile } from './encode.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

/** Read by a decoder that is not ours. */
const decoded = (profile: Profile): Decoded => Decoded.decode(finished(encodeProfile(profile)));

/** Any UTF-16, lone surrogates too. */
const anyText = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 })
  .map((units) => String.fromCharCode(...units));

/** Of a profile that an application has named, with stacks that are empty and samples that come twice. */
const anyProfile = fc
  .record({
    name: fc.oneof(
      fc.constantFrom('open-connections', 'a--b-'),
      anyText.map((text) => `x${text}`),
    ),
    names: fc.array(anyText, { minLength: 5, maxLength: 5 }),
    samples: fc.array(
      fc.record({
        stack: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
        values: fc.tuple(fc.integer({ min: -3, max: 3 })),
        labels: fc.dictionary(fc.oneof(fc.constant(''), anyText), fc.oneof(anyText, fc.nat(2)), {
          maxKeys: 2,
        }),
      }),
      { maxLength: 8 },
    ),
  })
  .map(({ name, names, samples }) => {
    const type = { type: name, unit: 'count' };
    return madeUpProfile(
      { ...COUNTS, sampleTypes: [type], periodType: type, defaultSampleType: name, comments: names },
      samples,
      (address) => names[address - 1]!,
    );
  });

describe('an encoded profile', () => {
  it.each(SCRAPER_RULES)('keeps the rule that $title', ({ holds, breaks }) => {
    fc.assert(fc.property(anyProfile, (profile) => holds(decoded(profile))));
    const broken = decoded(
      madeUpProfile(HEAP, [{ stack: [1, 2], values: [1, 2, 3, 4], labels: { bytes: 16 } }]),
    );
    expect(holds(broken)).toBe(true);
    breaks(broken);
    expect(holds(broken)).toBe(false);
  });

  it('has strings of valid UTF-8, also of names with lone surrogates', () => {
    const names = ['\ud800', 'a\udfffb', '🙂\udc00'];
    const profile = madeUpProfile(
      COUNTS,
      [{ stack: [1, 2, 3], values: [1] }],
      (address) => names[address - 1]!,
    );
    const { strings } = decoded(profile).stringTable;
    expect(strings).toEqual(expect.arrayContaining(['\ufffd', 'a\ufffdb', '🙂\ufffd']));
  });

  it('has the default sample type by the name of the sample type, also with a "-" in it', () => {
    const type = { type: 'open-connections', unit: 'count' };
    const { sampleType, periodType, defaultSampleType, stringTable } = decoded(
      madeUpProfile({ ...COUNTS, sampleTypes: [type], periodType: type, defaultSampleType: type.type }, []),
    );
    expect(stringTable.strings[Number(defaultSampleType)]).toBe('open_connections');
    expect([sampleType[0]!.type, periodType!.type]).toEqual([defaultSampleType, defaultSampleType]);
  });

  it('of a snapshot has no duration, merged or not, since Parca takes a profile that has one for a delta', () => {
    const snapshot = madeUpProfile(HEAP, [{ stack: [1], values: [1, 1, 1, 1] }]);
    expect(Number(decoded(snapshot).durationNanos)).toBe(0);
    expect(Number(decoded(finished(merge([snapshot, snapshot]))).durationNanos)).toBe(0);
    expect(Number(decoded({ ...snapshot, durationNanos: 5e9 }).durationNanos)).toBe(5e9);
  });
});

/** Of four places in the code, two of which are lines of one function. */
const ADDRESSES = [10, 11, 12, 13].map((line) =>
  addressOf(line < 12 ? 'handler' : 'query', '/app/main.js', line, 1),
);
const anyAllocations = fc.array(
  fc
    .record({
      stack: fc.array(fc.constantFrom(...ADDRESSES), { minLength: 1, maxLength: 3 }),
      bytes: fc.integer({ min: 1, max: 1000 }),
      labels: fc.oneof(fc.record({ bytes: fc.nat(2) }), fc.record({ route: fc.constantFrom('/', '/cats') })),
    })
    .map(({ stack, bytes, labels }) => ({ stack, values: [1, bytes, 0, 0], labels })),
  { maxLength: 12 },
);

/** What was allocated since the process began, as a scraper of allocs reads it: values by addresses and labels alone. */
function scrape(allocations: readonly MadeUpSample[]): Map<string, number[]> {
  const { sample, location, stringTable } = decoded(madeUpProfile(HEAP, allocations));
  const addressOfId = new Map(location.map(({ id, address }) => [id, address]));
  return new Map(
    sample.map(({ locationId, label, value }) => {
      const labels = label.map(({ key, str, num }) =>
        [key, str, num].map((part, i) => (i < 2 ? stringTable.strings[Number(part)] : part)),
      );
      return [[locationId.map((id) => addressOfId.get(id)), ...labels].join(';'), value.map(Number)];
    }),
  );
}

describe("Alloy's delta of two scrapes of cumulative values, by addresses and labels", () => {
  it('is what was allocated between them, whatever ids and order the second scrape has', () => {
    fc.assert(
      fc.property(anyAllocations, anyAllocations, (before, between) => {
        const first = scrape(before);
        const delta = Array.from(scrape([...between, ...before]), ([key, values]): [string, number[]] => [
          key,
          values.map((value, i) => value - (first.get(key)?.[i] ?? 0)),
        ]);
        expect(new Map(delta.filter(([, values]) => values.some(Boolean)))).toEqual(scrape(between));
      }),
    );
  });
});
