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

function sum(a: SampleValues, b: SampleValues): SampleValues {
  return Object.fromEntries(Object.entries(a).map(([type, value]) => [type, value + (b[type] ?? 0)]));
}
