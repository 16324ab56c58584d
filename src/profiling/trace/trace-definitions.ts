import type { TraceEvent, TraceFrame } from '../../format/trace-event.js';
import type { PlaceInCode } from '../../format/builder.js';
import type { CallerFrame } from '../../sampling/call-stack.js';
import type { RawFrame } from '../../sampling/sampler.js';
import { isOwn } from '../../sampling/stack-origin.js';
import type { FrameResolver } from '../frames/frame-resolver.js';
import { addressFor } from '../frames/symbol-table.js';
import { type HoldMeter, runSliced } from '../loop.js';
import type { StartFunction } from './trace-buffer.js';

/** What the ids of a trace's stacks stand for. */
export interface TraceStacks {
  /** Stacks, innermost frame first, with their ids. */
  readonly stacks: Iterable<readonly [readonly (CallerFrame | RawFrame)[], number]>;
  /** Start functions, with the ids of the stacks that are to have one as their only frame. */
  readonly starts: Iterable<readonly [StartFunction, readonly number[]]>;
}

/** Definitions between two yields. */
const SLICE = 50;

/** Makes events of stacks, with the source that a person wrote. */
export async function definitionsOf(
  { stacks, starts }: TraceStacks,
  resolver: FrameResolver,
  holds: HoldMeter,
): Promise<TraceEvent[]> {
  const frames = new Map<CallerFrame | RawFrame, number>();
  const raw: RawFrame[] = [];
  const note = (frame: CallerFrame | RawFrame): void => {
    if (frames.has(frame)) return;
    frames.set(frame, raw.length);
    raw.push(rawFrameOf(frame));
  };
  const gather = function* (): Generator<void, void> {
    let count = 0;
    for (const [stack] of stacks) {
      if (++count % SLICE === 0) yield;
      stack.forEach(note);
    }
    for (const [fn] of starts) if (typeof fn !== 'string') note(fn);
  };
  await runSliced(gather(), holds);
  const shown = (await resolver.resolve(raw, holds)).map(frameOf);
  return runSliced(
    definitions({ stacks, starts }, (frame) => shown[frames.get(frame)!]!),
    holds,
  );
}

type FrameOf = (frame: CallerFrame | RawFrame) => TraceFrame;

function* definitions({ stacks, starts }: TraceStacks, frameOf: FrameOf): Generator<void, TraceEvent[]> {
  const events: TraceEvent[] = [];
  const byName = new Map<string, TraceFrame>();
  for (const [stack, id] of stacks) {
    if (events.length % SLICE === 0) yield;
    const frames = stack.filter((frame) => !isOwn(fileOf(frame))).map(frameOf);
    for (const frame of frames) if (isOfHandlers(frame)) byName.set(frame.name, frame);
    events.push({ type: 'stack', id, frames });
  }
  for (const [fn, ids] of starts) {
    const frame = typeof fn === 'string' ? (byName.get(fn) ?? namedFrame(fn)) : frameOf(fn);
    for (const id of ids) {
      if (events.length % SLICE === 0) yield;
      events.push({ type: 'stack', id, frames: [frame] });
    }
  }
  return events;
}

function fileOf(frame: CallerFrame | RawFrame): string {
  return 'url' in frame ? frame.url : frame.filename;
}

function rawFrameOf(frame: CallerFrame | RawFrame): RawFrame {
  if ('url' in frame) return frame;
  const { name: functionName, filename: url, line, column } = frame;
  const raw = { functionName, url, scriptId: 0, functionLine: 0, functionColumn: 0, line };
  return column === undefined ? raw : { ...raw, column };
}

function frameOf({ address, functionName: name, filename, line }: PlaceInCode): TraceFrame {
  return { address, name, filename, line };
}

/** Nest's own functions around a handler have its name. */
function isOfHandlers({ filename }: TraceFrame): boolean {
  return !filename.includes('node_modules');
}

/** Of a function that is known by its name alone. */
function namedFrame(name: string): TraceFrame {
  return {
    address: addressFor({ functionName: name, filename: '', line: 0, column: 0 }, name),
    name,
    filename: '',
    line: 0,
  };
}
