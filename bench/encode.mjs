// Encoding a profile: ours against pprof-format, the same profile in one run. Ratios count, not times.
import { Function, Line, Location, Profile, Sample, StringTable, ValueType } from 'pprof-format';
import { ProfileBuilder } from '../dist/esm/format/profile-builder.js';
import { encodeProfile } from '../dist/esm/format/wire.js';

const DEPTH = 30;
const PLACES = 5000;
const ROUNDS = 7;

const HEADER = {
  sampleTypes: [
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ],
  defaultSampleType: '',
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: 10_000_000,
  timeNanos: 1_764_000_000_000_000_000n,
  durationNanos: 30_000_000_000,
  comments: [],
};

for (const samples of [1000, 20_000, 100_000]) {
  const stacks = Array.from({ length: samples }, (_, i) =>
    Array.from({ length: DEPTH }, (_, depth) => (i * 31 + depth * 977) % PLACES),
  );
  const times = { ours: [], peer: [] };
  for (let round = 0; round < ROUNDS; round++) {
    times.ours.push(timed(() => ours(stacks)));
    times.peer.push(timed(() => peer(stacks)));
  }
  const [mine, theirs] = [median(times.ours), median(times.peer)];
  console.log(
    `build and encode ${samples} samples of ${DEPTH} frames: ours ${mine.toFixed(0)} ms, ` +
      `pprof-format ${theirs.toFixed(0)} ms, ratio ${(mine / theirs).toFixed(2)}`,
  );
}

function ours(stacks) {
  const builder = new ProfileBuilder();
  for (let i = 0; i < PLACES; i++) {
    builder.location({
      address: i + 1,
      functionName: `function${i}`,
      filename: `/app/file${i % 100}.js`,
      startLine: i,
      line: i,
      column: 0,
    });
  }
  for (const stack of stacks) builder.sample(stack, [1, 10_000_000]);
  const work = encodeProfile(builder.build(HEADER, '/app/main.js'));
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

function peer(stacks) {
  const stringTable = new StringTable();
  const type = (name, unit) =>
    new ValueType({ type: stringTable.dedup(name), unit: stringTable.dedup(unit) });
  const functions = Array.from(
    { length: PLACES },
    (_, i) =>
      new Function({
        id: i + 1,
        name: stringTable.dedup(`function${i}`),
        filename: stringTable.dedup(`/app/file${i % 100}.js`),
        startLine: i,
      }),
  );
  const locations = functions.map(
    ({ id }) => new Location({ id, address: id, line: [new Line({ functionId: id, line: id })] }),
  );
  return new Profile({
    stringTable,
    sampleType: [type('samples', 'count'), type('cpu', 'nanoseconds')],
    periodType: type('cpu', 'nanoseconds'),
    period: HEADER.period,
    function: functions,
    location: locations,
    sample: stacks.map(
      (stack) => new Sample({ locationId: stack.map((i) => i + 1), value: [1, 10_000_000] }),
    ),
  }).encode();
}

function timed(work) {
  const before = performance.now();
  work();
  return performance.now() - before;
}

function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}
