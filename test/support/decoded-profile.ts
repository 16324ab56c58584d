import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

/** A profile as `pprof-format` reads it, with names instead of indexes. */
export class DecodedProfile {
  readonly raw: Profile;
  readonly sampleTypes: readonly string[];
  readonly units: readonly string[];
  /** Such as `cpu/nanoseconds`. */
  readonly periodType: string;
  readonly comments: readonly string[];
  /** Function names leaf first, and the values by sample type. */
  readonly samples: readonly {
    readonly stack: readonly string[];
    readonly values: Readonly<Record<string, number>>;
  }[];

  constructor(bytes: Uint8Array) {
    this.raw = Profile.decode(gunzipSync(bytes));
    const text = (index: number | bigint): string => this.raw.stringTable.strings[Number(index)]!;
    const nameOf = new Map(this.raw.function.map(({ id, name }) => [id, text(name)]));
    const namesAt = new Map(
      this.raw.location.map(({ id, line }) => [id, line.map(({ functionId }) => nameOf.get(functionId)!)]),
    );
    this.sampleTypes = this.raw.sampleType.map(({ type }) => text(type));
    this.units = this.raw.sampleType.map(({ unit }) => text(unit));
    const { periodType } = this.raw;
    this.periodType = periodType ? `${text(periodType.type)}/${text(periodType.unit)}` : '';
    this.comments = this.raw.comment.map(text);
    this.samples = this.raw.sample.map(({ locationId, value }) => ({
      stack: locationId.flatMap((id) => namesAt.get(id)!),
      values: Object.fromEntries(
        this.sampleTypes.map((type, i) => [type, Number(BigInt.asIntN(64, BigInt(value[i]!)))]),
      ),
    }));
  }

  /** Its places in the code. */
  get places(): { name: string; file: string; line: number; address: number }[] {
    const { strings } = this.raw.stringTable;
    const functions = new Map(this.raw.function.map((one) => [one.id, one]));
    return this.raw.location.map(({ address, line: [at] }) => {
      const { name, filename } = functions.get(at!.functionId)!;
      return {
        name: strings[Number(name)]!,
        file: strings[Number(filename)]!,
        line: Number(at!.line),
        address: Number(address),
      };
    });
  }

  get period(): number {
    return Number(this.raw.period);
  }

  get durationNanos(): number {
    return Number(this.raw.durationNanos);
  }

  get timeMs(): number {
    return Number(BigInt(this.raw.timeNanos) / 1_000_000n);
  }

  total(type: string): number {
    return this.sum(type, () => true);
  }

  /** With the function anywhere on the stack. */
  cumulative(type: string, name: string): number {
    return this.sum(type, (stack) => stack.includes(name));
  }

  /** With the function at the leaf. */
  flat(type: string, name: string): number {
    return this.sum(type, ([leaf]) => leaf === name);
  }

  private sum(type: string, counts: (stack: readonly string[]) => boolean): number {
    return this.samples.reduce((sum, { stack, values }) => sum + (counts(stack) ? values[type]! : 0), 0);
  }
}
