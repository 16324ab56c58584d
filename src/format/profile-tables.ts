import { GrowingArray } from './growing-array.js';
import type { Mapping, Profile, ProfileHeader } from './profile.js';

/** The tables of a {@link Profile} while they are filled. A row is pushed into each column of its table. */
export class ProfileTables {
  readonly functions = {
    name: GrowingArray.uint32(),
    systemName: GrowingArray.uint32(),
    filename: GrowingArray.uint32(),
    startLine: GrowingArray.uint32(),
  };
  readonly locations = {
    address: GrowingArray.float64(),
    mapping: GrowingArray.uint32(),
    lineStart: GrowingArray.uint32(),
    lineFunction: GrowingArray.uint32(),
    lineNumber: GrowingArray.uint32(),
    lineColumn: GrowingArray.uint32(),
  };
  readonly samples = {
    stackStart: GrowingArray.uint32(),
    stack: GrowingArray.uint32(),
    values: GrowingArray.float64(),
    labelStart: GrowingArray.uint32(),
    labelKey: GrowingArray.uint32(),
    labelText: GrowingArray.uint32(),
    labelNumber: GrowingArray.float64(),
    labelUnit: GrowingArray.uint32(),
  };

  /** @returns its index */
  addFunction(name: number, systemName: number, filename: number, startLine: number): number {
    const { functions } = this;
    functions.systemName.push(systemName);
    functions.filename.push(filename);
    functions.startLine.push(startLine);
    functions.name.push(name);
    return functions.name.length - 1;
  }

  /** What {@link addLine} adds from now on is of this location. @returns its index */
  addLocation(address: number, mapping: number): number {
    this.beginLocation();
    return this.endLocation(address, mapping);
  }

  /** For a location whose lines come before the rest of it is known: they are added before {@link endLocation}. */
  beginLocation(): void {
    const { lineStart, lineFunction } = this.locations;
    lineStart.push(lineFunction.length);
  }

  endLocation(address: number, mapping: number): number {
    const { locations } = this;
    locations.mapping.push(mapping);
    locations.address.push(address);
    return locations.address.length - 1;
  }

  addLine(fn: number, line: number, column: number): void {
    const { locations } = this;
    locations.lineFunction.push(fn);
    locations.lineNumber.push(line);
    locations.lineColumn.push(column);
  }

  /** What is pushed into the stack, the values and the labels from now on is of this sample. */
  addSample(): void {
    const { samples } = this;
    samples.stackStart.push(samples.stack.length);
    samples.labelStart.push(samples.labelKey.length);
  }

  addLabel(key: number, text: number, number: number, unit: number): void {
    const { samples } = this;
    samples.labelKey.push(key);
    samples.labelText.push(text);
    samples.labelNumber.push(number);
    samples.labelUnit.push(unit);
  }

  /** Yields now and then. */
  *build(
    header: ProfileHeader,
    strings: readonly string[],
    mappings: readonly Mapping[],
  ): Generator<void, Profile> {
    const { functions, locations, samples } = this;
    const lengths = [functions.name.length, locations.address.length, samples.stackStart.length] as const;
    locations.lineStart.push(locations.lineFunction.length);
    samples.stackStart.push(samples.stack.length);
    samples.labelStart.push(samples.labelKey.length);
    return {
      ...header,
      strings,
      mappings,
      functions: {
        length: lengths[0],
        name: yield* functions.name.toArray(),
        systemName: yield* functions.systemName.toArray(),
        filename: yield* functions.filename.toArray(),
        startLine: yield* functions.startLine.toArray(),
      },
      locations: {
        length: lengths[1],
        address: yield* locations.address.toArray(),
        mapping: yield* locations.mapping.toArray(),
        lineStart: yield* locations.lineStart.toArray(),
        lineFunction: yield* locations.lineFunction.toArray(),
        lineNumber: yield* locations.lineNumber.toArray(),
        lineColumn: yield* locations.lineColumn.toArray(),
      },
      samples: {
        length: lengths[2],
        stackStart: yield* samples.stackStart.toArray(),
        stack: yield* samples.stack.toArray(),
        values: yield* samples.values.toArray(),
        labelStart: yield* samples.labelStart.toArray(),
        labelKey: yield* samples.labelKey.toArray(),
        labelText: yield* samples.labelText.toArray(),
        labelNumber: yield* samples.labelNumber.toArray(),
        labelUnit: yield* samples.labelUnit.toArray(),
      },
    };
  }
}
