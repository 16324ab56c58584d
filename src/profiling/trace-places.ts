import { dirname } from 'node:path';
import type { TraceFrame, TraceStack } from '../format/trace/events.js';
import type { RawFrame } from '../sampling/sampler.js';
import type { HoldMeter } from './hold-meter.js';
import type { PlaceResolver } from './place-resolver.js';
import { runSliced } from './slices.js';
import { thisFile } from './source-maps/this-file.js';

/** How long the frame of a start may change, in ns: writers hold events for a second. */
const CHANGES_FOR = 700e6;
const MOST_KNOWN = 4096;

interface Start {
  readonly frame: TraceFrame;
  readonly fixedAt: number;
}

/** Where this package's own code is: `dist/esm/`, say. */
const OWN = ownFolder();

function ownFolder(): string | undefined {
  const file = thisFile(); // in profiling/source-maps
  return file && `${dirname(dirname(dirname(file)))}/`;
}

/** Frames and stacks of one trace: events hold on to what is filled in later, before they are written. */
export class TracePlaces {
  /** Of functions that executions start in, by name. */
  private readonly starts = new Map<string, Start>();
  private readonly stacks = new Map<readonly RawFrame[], TraceFrame[]>();
  private readonly placesOf = new Map<readonly RawFrame[], TraceStack>();
  private readonly frames = new Map<string, TraceFrame>();
  private unresolved: (readonly RawFrame[])[] = [];

  /** @param known where such functions are, as earlier traces have found out */
  constructor(
    private readonly resolver: PlaceResolver,
    private readonly known: Map<string, TraceFrame>,
  ) {}

  /**
   * A function by its name. Where it is shows by the first stack that it is on; only for so long, since a frame that was
   * written does not change.
   *
   * @param now in ns
   */
  start(functionName: string, now: number): TraceFrame {
    let start = this.starts.get(functionName);
    if (start === undefined) {
      const { file, line } = this.known.get(functionName) ?? { file: '', line: 0 };
      start = { frame: { functionName, file, line }, fixedAt: now + CHANGES_FOR };
      this.starts.set(functionName, start);
    }
    return start.frame;
  }

  /** Where the application did something: without what this package has called it by. */
  place(raw: readonly RawFrame[]): TraceStack {
    let place = this.placesOf.get(raw);
    if (place === undefined) {
      const others = OWN === undefined ? raw : raw.filter(({ url }) => !url.startsWith(OWN));
      this.placesOf.set(raw, (place = this.stack(others)));
    }
    return place;
  }

  /** The same one for the same array. It is empty until {@link resolve}. */
  stack(raw: readonly RawFrame[]): TraceStack {
    let stack = this.stacks.get(raw);
    if (stack === undefined) {
      this.stacks.set(raw, (stack = []));
      this.unresolved.push(raw);
    }
    return stack;
  }

  /** Shows places as a person wrote them. */
  async resolve(holds: HoldMeter, now: number): Promise<void> {
    const raws = this.unresolved;
    this.unresolved = [];
    if (raws.length === 0) return;
    const frames = [...new Set(raws.flat())];
    const places = await this.resolver.resolve(frames, holds);
    const found = new Map<RawFrame, TraceFrame>();
    for (const [i, frame] of frames.entries()) {
      const { functionName, filename, line } = places[i]!;
      found.set(frame, this.frame(functionName, filename, line));
      this.learn(functionName, filename, line, now);
    }
    await runSliced(this.fill(raws, found), holds);
  }

  private *fill(
    raws: readonly (readonly RawFrame[])[],
    found: ReadonlyMap<RawFrame, TraceFrame>,
  ): Generator<void, void> {
    for (const [i, raw] of raws.entries()) {
      if (i % 100 === 0) yield;
      this.stacks.get(raw)!.push(...raw.map((frame) => found.get(frame)!));
    }
  }

  private learn(functionName: string, file: string, line: number, now: number): void {
    const start = this.starts.get(functionName);
    if (!start || start.frame.file !== '' || file === '') return;
    if (this.known.size >= MOST_KNOWN) this.known.clear();
    this.known.set(functionName, { functionName, file, line });
    if (now < start.fixedAt) Object.assign(start.frame, { file, line });
  }

  private frame(functionName: string, file: string, line: number): TraceFrame {
    const key = `${functionName}\n${file}\n${line}`;
    let frame = this.frames.get(key);
    if (frame === undefined) this.frames.set(key, (frame = { functionName, file, line }));
    return frame;
  }
}
