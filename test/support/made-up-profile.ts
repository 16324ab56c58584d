import { readFileSync } from 'node:fs';
import { finished } from '../../src/format/finished.js';
import type { Labels, Profile, ProfileHeader, ValueType } from '../../src/format/profile.js';
import { ProfileBuilder } from '../../src/format/builder.js';
import { encodeProfile } from '../../src/format/encode.js';
import { DecodedProfile } from './decoded-profile.js';
import { goPprof, profileFile } from './go.js';

/** A sample at made-up addresses, leaf first. */
export interface MadeUpSample {
  readonly stack: readonly number[];
  readonly values: readonly number[];
  readonly labels?: Labels;
}

const COUNT: ValueType = { type: 'goroutine', unit: 'count' };

export const COUNTS: ProfileHeader = {
  sampleTypes: [COUNT],
  defaultSampleType: '',
  periodType: COUNT,
  period: 1,
  timeNanos: 1_764_000_000_000_000_000n,
  durationNanos: 0,
  comments: [],
};

export const HEAP: ProfileHeader = {
  ...COUNTS,
  sampleTypes: [
    { type: 'alloc_objects', unit: 'count' },
    { type: 'alloc_space', unit: 'bytes' },
    { type: 'inuse_objects', unit: 'count' },
    { type: 'inuse_space', unit: 'bytes' },
  ],
  periodType: { type: 'space', unit: 'bytes' },
  period: 524_288,
};

export const CONTENTION: ProfileHeader = {
  ...COUNTS,
  sampleTypes: [
    { type: 'contentions', unit: 'count' },
    { type: 'delay', unit: 'nanoseconds' },
  ],
  periodType: { type: 'contentions', unit: 'count' },
};

/** A profile of these samples; the function at address 7 is `f7`, line 7 of /app/main.js, unless `nameOf` says else. */
export function madeUpProfile(
  header: ProfileHeader,
  samples: Iterable<MadeUpSample>,
  nameOf = (address: number): string => `f${address}`,
): Profile {
  const builder = new ProfileBuilder();
  for (const { stack, values, labels = {} } of samples) {
    const locations = stack.map((address) =>
      builder.location({
        address,
        functionName: nameOf(address),
        filename: '/app/main.js',
        startLine: 1,
        line: address % 1000,
        column: 0,
      }),
    );
    builder.sample(locations, values, builder.labels(labels));
  }
  return finished(builder.build(header, '/app/main.js'));
}

/** A file of it for `go tool pprof`. */
export function fileOf(name: string, profile: Profile): string {
  return profileFile(name, finished(encodeProfile(profile)));
}

/** What `go tool pprof` makes of its sources, read by pprof-format. */
export async function goPprofProto(...args: string[]): Promise<DecodedProfile> {
  const output = profileFile('output.pb.gz', new Uint8Array());
  await goPprof('-proto', `-output=${output}`, ...args);
  return new DecodedProfile(readFileSync(output));
}
