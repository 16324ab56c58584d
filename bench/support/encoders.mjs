// Who encodes, and how: build(stacks, places) makes a profile of the same samples, encode(profile) its bytes. The
// same in Go is ../go/main.go.

const PERIOD = 10_000_000;
const HEADER = {
  sampleTypes: [
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ],
  defaultSampleType: '',
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: PERIOD,
  timeNanos: 1_764_000_000_000_000_000n,
  durationNanos: 30_000_000_000,
  comments: [],
};

export const ENCODERS = { ours, 'pprof-format': pprofFormat, "pprof's protobufjs": protobufjs };

async function ours() {
  const { finished } = await import('../../dist/esm/format/finished.js');
  const { ProfileBuilder } = await import('../../dist/esm/format/builder.js');
  const { encodeProfile } = await import('../../dist/esm/format/encode.js');
  return {
    gzipLevel: 1,
    build(stacks, places) {
      const builder = new ProfileBuilder();
      for (let i = 0; i < places; i++) {
        builder.location({ address: i + 1, ...place(i), startLine: i, line: i, column: 0 });
      }
      for (const stack of stacks) builder.sample(stack, [1, PERIOD]);
      return finished(builder.build(HEADER, '/app/main.js'));
    },
    encode: (profile) => finished(encodeProfile(profile)),
  };
}

/** Its own classes, as `@datadog/pprof` uses them. */
async function pprofFormat() {
  const format = await import('pprof-format');
  const build = builderOf(format, () => new format.StringTable());
  return { build, encode: (profile) => profile.encode() };
}

/** The classes that protobufjs generates from profile.proto, as `pprof` uses them. */
async function protobufjs() {
  const { default: proto } = await import('pprof/proto/profile.js');
  const { profiles } = proto.perftools;
  const build = builderOf(profiles, () => new Strings());
  return { build, encode: (profile) => profiles.Profile.encode(profile).finish() };
}

function builderOf({ Function, Line, Location, Mapping, Profile, Sample, ValueType }, newStrings) {
  return (stacks, places) => {
    const table = newStrings();
    const id = (text) => table.dedup(text);
    const type = ({ type, unit }) => new ValueType({ type: id(type), unit: id(unit) });
    const indexes = Array.from({ length: places }, (_, i) => i);
    return new Profile({
      sampleType: HEADER.sampleTypes.map(type),
      periodType: type(HEADER.periodType),
      period: PERIOD,
      timeNanos: Number(HEADER.timeNanos),
      durationNanos: HEADER.durationNanos,
      mapping: [new Mapping({ id: 1, filename: id('/app/main.js'), hasFunctions: true })],
      function: indexes.map((i) => {
        const { functionName, filename } = place(i);
        return new Function({ id: i + 1, name: id(functionName), filename: id(filename), startLine: i });
      }),
      location: indexes.map(
        (i) =>
          new Location({
            id: i + 1,
            address: i + 1,
            mappingId: 1,
            line: [new Line({ functionId: i + 1, line: i })],
          }),
      ),
      sample: stacks.map((stack) => new Sample({ locationId: stack.map((i) => i + 1), value: [1, PERIOD] })),
      stringTable: table,
    });
  };
}

function place(i) {
  return { functionName: `function${i}`, filename: `/app/file${i % 100}.js` };
}

/** An array of strings that knows them, which protobufjs takes. */
class Strings extends Array {
  ids = new Map();

  constructor() {
    super();
    this.dedup('');
  }

  dedup(text) {
    let id = this.ids.get(text);
    if (id === undefined) this.ids.set(text, (id = this.push(text) - 1));
    return id;
  }
}
