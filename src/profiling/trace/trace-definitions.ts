import type { TraceEvent, TraceFrame } from '../../format/trace-event.js';
import type { PlaceInCode } from '../../format/builder.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { isOwn } from '../../sampling/stack-origin.js';
import type { FrameResolver } from '../frames/frame-resolver.js';
import { addressFor } from '../frames/symbol-table.js';
import { type HoldMeter, runSliced } from '../loop.js';
import type { StartFunction } from './trace-buffer.js';

type AnyFrame = CallerFrame | RawFrame;

/** A stack, innermost frame first, with its id. */
export type IdentifiedStack = readonly [stack: readonly AnyFrame[], id: number];

/** A start function, with the ids of the stacks that have it as their only frame. */
export type IdentifiedStart = readonly [fn: StartFunction, ids: readonly number[]];

/** Definitions between two yields. */
const SLICE = 50;

/** Creates events that define a trace's stacks, with original source locations. */
export class TraceDefinitions {
  private readonly shown = new Map<AnyFrame, TraceFrame>();
  /** So that a name always refers to the same function. */
  private readonly byName = new Map<string, TraceFrame>();

  constructor(
    private readonly resolver: FrameResolver,
    private readonly holds: HoldMeter,
  ) {}

  async of(stacks: readonly IdentifiedStack[], starts: readonly IdentifiedStart[]): Promise<TraceEvent[]> {
    const frames = await runSliced(this.unknown(stacks, starts), this.holds);
    const places = frames.length > 0 ? await this.resolver.resolve(frames.map(rawFrameOf), this.holds) : [];
    for (const [i, frame] of frames.entries()) this.shown.set(frame, frameOf(places[i]!));
    return runSliced(this.events(stacks, starts), this.holds);
  }

  private *unknown(
    stacks: readonly IdentifiedStack[],
    starts: readonly IdentifiedStart[],
  ): Generator<void, AnyFrame[]> {
    const frames = new Set<AnyFrame>();
    for (const [i, [stack]] of stacks.entries()) {
      if (i % SLICE === 0) yield;
      for (const frame of stack) if (!this.shown.has(frame)) frames.add(frame);
    }
    for (const [fn] of starts) if (typeof fn !== 'string' && !this.shown.has(fn)) frames.add(fn);
    return [...frames];
  }

  private *events(
    stacks: readonly IdentifiedStack[],
    starts: readonly IdentifiedStart[],
  ): Generator<void, TraceEvent[]> {
    const events: TraceEvent[] = [];
    for (const [stack, id] of stacks) {
      if (events.length % SLICE === 0) yield;
      const frames = stack.filter((frame) => !isOwn(fileOf(frame))).map((frame) => this.shown.get(frame)!);
      for (const frame of frames)
        if (isOfHandlers(frame) && !this.byName.has(frame.name)) this.byName.set(frame.name, frame);
      events.push({ type: 'stack', id, frames });
    }
    for (const [fn, ids] of starts) {
      const frames = [typeof fn === 'string' ? this.named(fn) : this.shown.get(fn)!];
      for (const id of ids) {
        if (events.length % SLICE === 0) yield;
        events.push({ type: 'stack', id, frames });
      }
    }
    return events;
  }

  private named(name: string): TraceFrame {
    const frame = this.byName.get(name) ?? namedFrame(name);
    this.byName.set(name, frame);
    return frame;
  }
}

function fileOf(frame: AnyFrame): string {
  return 'url' in frame ? frame.url : frame.filename;
}

function rawFrameOf(frame: AnyFrame): RawFrame {
  if ('url' in frame) return frame;
  const { name: functionName, filename: url, line, column } = frame;
  const raw = { functionName, url, scriptId: 0, functionLine: 0, functionColumn: 0, line };
  return column === undefined ? raw : { ...raw, column };
}

function frameOf({ address, functionName: name, filename, line }: PlaceInCode): TraceFrame {
  return { address, name, filename, line };
}

/** Nest's wrappers have the name of the handler, but are in node_modules. */
function isOfHandlers({ filename }: TraceFrame): boolean {
  return !filename.includes('node_modules');
}

/** The frame of a function of which only the name is known. */
function namedFrame(name: string): TraceFrame {
  return {
    address: addressFor({ functionName: name, filename: '', line: 0, column: 0 }, name),
    name,
    filename: '',
    line: 0,
  };
}
