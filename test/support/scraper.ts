import type { DecodedProfile } from './process.js';

/** What is told of a sample by its values: what it is the same sample by is apart. */
export type SampleValues = Readonly<Record<string, number>>;

/**
 * The samples of a profile as a scraper tells them apart that subtracts one profile from the next: by the addresses of
 * their locations and by their labels alone. Grafana Alloy does; names are none of its business.
 */
export function samplesByAddress({ raw, samples }: DecodedProfile): Map<string, SampleValues> {
  const text = (index: number | bigint): string => raw.stringTable.strings[Number(index)]!;
  const addressOf = new Map(raw.location.map(({ id, address }) => [id, address]));
  const found = new Map<string, SampleValues>();
  raw.sample.forEach(({ locationId, label }, i) => {
    const labels = label.map(({ key, str, num }) => `${text(key)}=${text(str)}${num}`).sort();
    const key = [locationId.map((id) => addressOf.get(id)).join(), ...labels].join('|');
    found.set(key, sum(samples[i]!.values, found.get(key) ?? {}));
  });
  return found;
}

/** Of some types, what later samples have more than earlier ones: what a scraper stores. */
export function deltaByAddress(
  earlier: DecodedProfile,
  later: DecodedProfile,
  types: readonly string[],
): Map<string, SampleValues> {
  const before = samplesByAddress(earlier);
  const gains = [...samplesByAddress(later)].map(([key, values]) => {
    const old = before.get(key);
    before.delete(key);
    return [
      key,
      Object.fromEntries(types.map((type) => [type, values[type]! - (old?.[type] ?? 0)])),
    ] as const;
  });
  const gone = [...before].map(
    ([key, values]) => [key, Object.fromEntries(types.map((type) => [type, -values[type]!]))] as const,
  );
  return new Map(
    [...gains, ...gone].filter(([, values]) => Object.values(values).some((value) => value !== 0)),
  );
}

/** What a scraper, or Pyroscope behind Alloy, refuses or takes for something else than it is. */
export function flawsOf(profile: DecodedProfile): string[] {
  const { raw, samples, sampleTypes } = profile;
  const { strings } = raw.stringTable;
  const texts = [
    ...raw.function.flatMap(({ name, filename, systemName }) => [name, filename, systemName]),
    ...raw.sample.flatMap(({ label }) => label.flatMap(({ key, str }) => [key, str])),
  ];
  const keys = raw.sample.flatMap(({ label }) => label.map(({ key }) => key));
  const ids = raw.sample.flatMap(({ locationId }) => locationId.map(Number));
  const addresses = profile.places.map(({ address }) => address);
  const rules: Readonly<Record<string, boolean>> = {
    'mappings are numbered from 1': isNumbered(raw.mapping),
    'functions are numbered from 1': isNumbered(raw.function),
    'locations are numbered from 1': isNumbered(raw.location),
    'the first text is empty': strings[0] === '',
    'texts are in the table': texts.every((index) => Number(index) < strings.length),
    'labels have keys': keys.every((key) => Number(key) !== 0),
    'there are up to four types': sampleTypes.length <= 4,
    'types have no dash': sampleTypes.every((type) => !type.includes('-')),
    'samples have a value of each type': raw.sample.every(({ value }) => value.length === sampleTypes.length),
    'locations of samples exist': ids.every((id) => id >= 1 && id <= raw.location.length),
    'addresses are not 0': addresses.every((address) => address !== 0),
    'addresses differ': new Set(addresses).size === addresses.length,
    'samples differ': samplesByAddress(profile).size === samples.length,
  };
  return Object.keys(rules).filter((rule) => !rules[rule]);
}

/** From 1, in order. */
function isNumbered(rows: readonly { readonly id: number | bigint }[]): boolean {
  return rows.every(({ id }, i) => Number(id) === i + 1);
}

function sum(a: SampleValues, b: SampleValues): SampleValues {
  return Object.fromEntries(Object.entries(a).map(([type, value]) => [type, value + (b[type] ?? 0)]));
}
