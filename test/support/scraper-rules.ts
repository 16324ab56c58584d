import type { Profile } from 'pprof-format';

/** What Grafana Alloy, Pyroscope or Parca requires of a profile. */
export interface ScraperRule {
  readonly title: string;
  readonly holds: (profile: Profile) => boolean;
  /** Makes it not hold, in a profile with samples and labels. */
  readonly breaks: (profile: Profile) => void;
}

const inOrder = (table: readonly { id: number | bigint }[]): boolean =>
  table.every(({ id }, i) => Number(id) === i + 1);
const isUnique = (values: readonly unknown[]): boolean => new Set(values).size === values.length;
const valueTypes = ({ sampleType, periodType }: Profile) => [...sampleType, periodType!];
const text = ({ stringTable }: Profile, index: number | bigint): string =>
  stringTable.strings[Number(index)]!;

export const SCRAPER_RULES: readonly ScraperRule[] = [
  {
    title: 'string 0 is empty (Pyroscope)',
    holds: ({ stringTable }) => stringTable.strings[0] === '',
    breaks: ({ stringTable }) => (stringTable.strings[0] = 'f'),
  },
  {
    title: 'ids of mappings, locations and functions are 1 to N in order (Parca; a faster path in Alloy)',
    holds: ({ mapping, location, function: functions }) => [mapping, location, functions].every(inOrder),
    breaks: ({ location }) => (location[0]!.id = 2),
  },
  {
    title: 'all indexes of strings are in range (Parca)',
    holds: (profile) =>
      [
        ...valueTypes(profile).flatMap(({ type, unit }) => [type, unit]),
        ...profile.function.flatMap(({ name, filename }) => [name, filename]),
        ...profile.sample.flatMap(({ label }) => label.flatMap(({ key, str }) => [key, str])),
        ...profile.comment,
        ...profile.mapping.map(({ filename }) => filename),
        profile.defaultSampleType,
      ].every((index) => text(profile, index) !== undefined),
    breaks: ({ function: [fn], stringTable }) => (fn!.name = stringTable.strings.length),
  },
  {
    title: 'samples refer to locations, and locations to the mapping and a function (Parca)',
    holds: ({ sample, location, function: functions }) =>
      sample.every(({ locationId }) =>
        locationId.every((id) => Number(id) >= 1 && Number(id) <= location.length),
      ) &&
      location.every(
        ({ mappingId, line }) =>
          Number(mappingId) === 1 &&
          line.length === 1 &&
          line.every(({ functionId }) => Number(functionId) >= 1 && Number(functionId) <= functions.length),
      ),
    breaks: ({ sample, location }) => (sample[0]!.locationId[0] = location.length + 1),
  },
  {
    title: 'a sample has at least one location (Parca, Pyroscope)',
    holds: ({ sample }) => sample.every(({ locationId }) => locationId.length > 0),
    breaks: ({ sample }) => (sample[0]!.locationId = []),
  },
  {
    title: 'a sample has a value for each sample type (Parca, Pyroscope)',
    holds: ({ sample, sampleType }) => sample.every(({ value }) => value.length === sampleType.length),
    breaks: ({ sample }) => sample[0]!.value.push(1),
  },
  {
    title: 'there are 1 to 4 sample types (Alloy)',
    holds: ({ sampleType }) => sampleType.length >= 1 && sampleType.length <= 4,
    breaks: ({ sampleType }) => sampleType.push(...Array.from({ length: 4 }, () => sampleType[0]!)),
  },
  {
    title: 'types have names and units (all)',
    holds: (profile) => valueTypes(profile).every(({ type, unit }) => Number(type) > 0 && Number(unit) > 0),
    breaks: ({ sampleType }) => (sampleType[0]!.unit = 0),
  },
  {
    title: 'names of sample types have no "-" (Pyroscope)',
    holds: (profile) => profile.sampleType.every(({ type }) => !text(profile, type).includes('-')),
    breaks: ({ sampleType: [first], stringTable }) => (first!.type = stringTable.strings.push('a-b') - 1),
  },
  {
    title: 'addresses are not 0 (Alloy)',
    holds: ({ location }) => location.every(({ address }) => Number(address) > 0),
    breaks: ({ location }) => (location[0]!.address = 0),
  },
  {
    title: 'no two locations have the same address (Alloy)',
    holds: ({ location }) => isUnique(location.map(({ address }) => BigInt(address))),
    breaks: ({ location }) => (location[0]!.address = location[1]!.address),
  },
  {
    title: 'no two samples have the same locations and labels (profile.proto)',
    holds: ({ sample }) =>
      isUnique(
        sample.map(({ locationId, label }) =>
          [
            locationId, // and labels as google/pprof reads them: without those that have no value
            ...label.map(({ key, str, num }) => [key, str, num]).filter(([, str, num]) => str || num),
          ].join(';'),
        ),
      ),
    breaks: ({ sample }) => sample.push(sample[0]!),
  },
  {
    title: 'labels have keys (Parca)',
    holds: (profile) =>
      profile.sample.every(({ label }) => label.every(({ key }) => text(profile, key) !== '')),
    breaks: ({ sample }) => (sample.find(({ label }) => label.length > 0)!.label[0]!.key = 0),
  },
  {
    title: 'the one mapping has functions and a file (go tool pprof)',
    holds: ({ mapping: [first, ...others] }) =>
      others.length === 0 && first?.hasFunctions === true && Number(first.filename) > 0,
    breaks: ({ mapping }) => (mapping[0]!.hasFunctions = false),
  },
  {
    title: 'functions have no system_name, so that no client demangles a name (go tool pprof)',
    holds: ({ function: functions }) => functions.every(({ systemName }) => Number(systemName) === 0),
    breaks: ({ function: [fn] }) => (fn!.systemName = fn!.name),
  },
  {
    title: 'no string has a line break or another control character (the rows of go tool pprof)',
    holds: ({ stringTable }) => stringTable.strings.every((text) => !/\p{Cc}/u.test(text)),
    breaks: ({ stringTable }) => stringTable.strings.push('a\nb'),
  },
  {
    title: 'the time is set (Pyroscope)',
    holds: ({ timeNanos }) => BigInt(timeNanos) > 0n,
    breaks: (profile) => (profile.timeNanos = 0),
  },
];
