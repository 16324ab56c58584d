import type { Profile, ValueType } from './profile.js';
import { ProtobufWriter } from './protobuf-writer.js';

/** Entries written between two yields: some tenths of a millisecond, before V8 has optimized it. */
const SLICE = 50;

/** The id of the one mapping. */
const MAPPING = 1;

/**
 * Writes a profile as profile.proto, uncompressed.
 *
 * It yields now and then, so that whoever drives it can give the event loop a turn.
 *
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function* encodeProfile(profile: Profile): Generator<void, Uint8Array> {
  const out = new ProtobufWriter();
  const strings = new StringTable(profile.strings);
  const valueType = ({ type, unit }: ValueType): void => {
    out.number(1, strings.indexOf(typeName(type)));
    out.number(2, strings.indexOf(unit));
  };

  for (const type of profile.sampleTypes) out.message(1, () => valueType(type));

  const { samples, labelSets } = profile;
  const width = profile.sampleTypes.length;
  yield* messages(out, 2, samples.length, (i) => {
    out.packed(1, samples.stack, samples.stackStart[i]!, samples.stackStart[i + 1]!, 1);
    out.packed(2, samples.values, i * width, (i + 1) * width);
    const labelSet = samples.labelSet[i]!;
    for (let label = labelSets.start[labelSet]!; label < labelSets.start[labelSet + 1]!; label++) {
      out.message(3, () => {
        out.number(1, labelSets.key[label]!);
        out.number(2, labelSets.text[label]!);
        out.number(3, labelSets.number[label]!);
      });
    }
  });

  out.message(3, () => {
    out.number(1, MAPPING);
    out.number(5, strings.indexOf(profile.program));
    out.number(7, 1); // has_functions: otherwise go tool pprof looks for the binary and warns
  });

  const { locations } = profile;
  yield* messages(out, 4, locations.length, (i) => {
    out.number(1, i + 1);
    out.number(2, MAPPING);
    out.number(3, locations.address[i]!);
    out.message(4, () => {
      out.number(1, locations.function[i]! + 1);
      out.number(2, locations.line[i]!);
      out.number(3, locations.column[i]!);
    });
  });

  const { functions } = profile;
  yield* messages(out, 5, functions.length, (i) => {
    out.number(1, i + 1);
    out.number(2, functions.name[i]!); // and no system_name, so that no client demangles a JavaScript name
    out.number(4, functions.filename[i]!);
    out.number(5, functions.startLine[i]!);
  });

  out.bigint(9, profile.timeNanos);
  out.number(10, profile.durationNanos);
  out.message(11, () => valueType(profile.periodType));
  out.number(12, profile.period);
  const comments = profile.comments.map((comment) => strings.indexOf(comment));
  out.packed(13, comments, 0, comments.length);
  out.number(14, strings.indexOf(typeName(profile.defaultSampleType)));

  // Last, since what stands above adds to it.
  yield* each(out, strings.all.length, (i) => out.text(6, strings.all[i]!));
  return yield* out.toBytes();
}

/** Pyroscope refuses a profile with a "-" in the name of a sample type, which may be that of an application's profile. */
function typeName(name: string): string {
  return name.replaceAll('-', '_');
}

/** A message for each entry of a table. */
function messages(
  out: ProtobufWriter,
  field: number,
  length: number,
  write: (i: number) => void,
): Generator<void, void> {
  return each(out, length, (i) => out.message(field, () => write(i)));
}

function* each(out: ProtobufWriter, length: number, write: (i: number) => void): Generator<void, void> {
  for (let i = 0; i < length; i++) {
    if (i % SLICE === 0) {
      out.setAside();
      yield;
    }
    write(i);
  }
}

/** The profile's strings, and after them those of its header that are new. */
class StringTable {
  readonly all: string[];

  constructor(strings: readonly string[]) {
    this.all = [...strings];
  }

  indexOf(text: string): number {
    const known = this.all.indexOf(text);
    return known >= 0 ? known : this.all.push(text) - 1;
  }
}
