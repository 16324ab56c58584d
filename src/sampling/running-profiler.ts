import type { Profiler } from 'node:inspector';
import { nowMicros } from './cpu-readings.js';
import { CpuSegment, samplesOf } from './cpu-segment.js';
import { InspectorSession } from './inspector-session.js';
import { perProcess } from './process-state.js';
import { ProcessTimes } from './process-times.js';
import type { CpuRecording, CpuSamples, KeptProfiler, RawFrame, Sliced } from './sampler.js';
import { openThreadClock } from './thread-clock.js';

/**
 * How long segments are, in ms. V8 takes some 5 µs for each node of one to hand it out, and keeps some 200 bytes for each
 * that it began until its profiler ends.
 */
const SEGMENT = { shortest: 100, ofPast: 2000, longest: 10_000 };
/** Those of a recording are as long as so many samples take. */
const SAMPLES_IN_SEGMENT = 25;

/**
 * V8's sampling thread adds a sample to the profiles when it takes the next one: in so many intervals, and in ms, a segment that has
 * ended has all of its samples.
 */
const COMPLETE = { intervals: 2, longest: 100 };

/** Beyond that the frames are gathered anew: programs can make functions for ever. */
const MOST_FRAMES = 50_000;

/**
 * V8's CPU profiler, running from its creation until {@link close} in a session of its own.
 *
 * V8 takes long to start its profiler, since it walks all code, and to end it. But while it runs, the session that started
 * it can begin and end any number of profiles in a moment. Here one follows the other, and each begins before the last one
 * ends: segments, so short that V8 never has to hand out much at once. A recording is the segments from its begin to
 * its end; the past is those that were kept.
 *
 * All have the same rate: V8 does not change it while it samples.
 */
export class RunningProfiler implements KeptProfiler {
  since = new Date();
  private readonly session = new InspectorSession();
  private readonly clock = openThreadClock();
  private readonly atBegin = this.times();
  private atEnd: ProcessTimes | undefined;
  /** Those that V8 has not handed out, by their titles. */
  private readonly open = new Map<string, CpuSegment>();
  current!: CpuSegment;
  /** Frames of all segments, which take most of their memory. */
  private frames = new Map<string, RawFrame>();
  private recorded: CpuSegment[] | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly completing = new Set<NodeJS.Timeout>();
  isClosed = false;

  /**
   * @param hz samples per second
   * @param pastSeconds how long segments are kept
   * @param past those of a profiler before this one
   * @param ended called with each segment that has ended, before V8 hands it out; tells whether its last samples matter
   * @throws Error with the inspector's words if it refuses
   */
  constructor(
    readonly hz: number,
    readonly pastSeconds = 0,
    readonly past: CpuSegment[] = [],
    private readonly ended: (segment: CpuSegment) => boolean = () => false,
  ) {
    try {
      this.session.on<Profiler.ConsoleProfileFinishedEventDataType>(
        'Profiler.consoleProfileFinished',
        ({ title = '', profile }) => this.finished(title, profile),
      );
      this.session.post('Profiler.enable');
      this.session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / hz) });
      this.begin();
      this.schedule();
    } catch (error) {
      this.session.close();
      this.clock?.close();
      throw error;
    }
  }

  /**
   * Begins a recording; there is one at a time.
   *
   * @param isCold whether it is for the recording that the profiler was started: then that is part of it
   * @param whenStopped called when it has been stopped
   */
  record(isCold: boolean, whenStopped: () => void): CpuRecording {
    const begin = isCold ? this.atBegin : this.times();
    const segments: CpuSegment[] = [];
    this.rotate(segments);
    setImmediate(() => this.current.exclude(() => begin?.threads()));
    return {
      ...(!isCold && { runningSince: this.since }),
      stop: () => {
        if (!this.isClosed) this.rotate(undefined);
        const end = this.atEnd ?? this.times();
        whenStopped();
        return this.recording(segments, begin, end);
      },
    };
  }

  /** A segment that began earlier is in it as a whole. */
  recent(seconds: number): ReturnType<KeptProfiler['recent']> {
    if (!this.isClosed) this.rotate(this.recorded);
    const now = nowMicros();
    const segments = this.past.filter(({ endMicros }) => endMicros > now - seconds * 1e6);
    const kept = (now - (segments[0]?.beginMicros ?? now)) / 1e6;
    const samples = this.samplesOf(segments, segments[0]?.times, this.atEnd ?? this.current.times);
    return { begin: new Date(Date.now() - kept * 1000), seconds: kept, samples };
  }

  /** Ends the current segment, which V8 hands out soon after. */
  split(): void {
    if (!this.isClosed) this.rotate(this.recorded);
  }

  /** Ends the current segment, and has V8 hand out at once all that have ended. */
  cut(): void {
    if (this.isClosed) return;
    this.split();
    for (const segment of this.open.values()) if (segment !== this.current) this.handOut(segment);
  }

  /** Ends V8's profiler; a recording that is under way has what was sampled so far, and so has the past. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const timer of [this.timer, ...this.completing]) clearTimeout(timer);
    this.current.end();
    this.recorded?.push(this.current);
    if (this.pastSeconds > 0) this.keep(this.current);
    this.ended(this.current);
    for (const segment of this.open.values()) this.handOut(segment); // or it would go on in other sessions
    this.session.close();
    this.atEnd = this.times();
    this.atEnd?.threads();
    this.current.last = this.atEnd;
    this.clock?.close();
  }

  private *recording(...of: Parameters<RunningProfiler['samplesOf']>): Sliced<CpuSamples> {
    const samples = yield* this.samplesOf(...of);
    return { ...samples, longestHoldMs: Math.max(...of[0].map(({ holdMs }) => holdMs)) };
  }

  private *samplesOf(
    segments: readonly CpuSegment[],
    begin: ProcessTimes | undefined,
    end: ProcessTimes | undefined,
  ): Sliced<CpuSamples> {
    for (const segment of segments) this.handOut(segment);
    return yield* samplesOf(segments, begin, end);
  }

  /** Begins the next segment, and soon after lets V8 hand out the one before. */
  private rotate(recorded: CpuSegment[] | undefined): void {
    const ended = this.current;
    ended.end();
    this.recorded?.push(ended);
    if (this.pastSeconds > 0) this.keep(ended);
    const isWatched = this.ended(ended);
    this.recorded = recorded;
    this.begin();
    this.schedule();
    setImmediate(() => {
      if (isWatched) this.handOutLater(ended);
      else this.handOut(ended);
      if (this.pastSeconds > 0) this.current.exclude(() => this.current.times?.threads());
    });
  }

  private handOutLater(segment: CpuSegment): void {
    if (this.isClosed) return;
    const timer = setTimeout(
      () => {
        this.completing.delete(timer);
        this.handOut(segment);
      },
      Math.min((COMPLETE.intervals * 1000) / this.hz, COMPLETE.longest),
    ).unref();
    this.completing.add(timer);
  }

  private begin(): void {
    const title = `nestjs-pprof ${++titles().last}`;
    const askedMicros = nowMicros();
    this.session.beginProfile(title);
    const isKept = this.recorded !== undefined || this.pastSeconds > 0;
    this.current = new CpuSegment(title, askedMicros, isKept, this.clock);
    this.open.set(title, this.current);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    const asLong = this.pastSeconds > 0 ? SEGMENT.ofPast : SEGMENT.longest;
    const recorded = Math.max((SAMPLES_IN_SEGMENT * 1000) / this.hz, SEGMENT.shortest);
    const ms = this.recorded ? Math.min(recorded, asLong) : asLong;
    this.timer = setTimeout(() => this.rotate(this.recorded), ms).unref();
  }

  private keep(segment: CpuSegment): void {
    const from = segment.endMicros - this.pastSeconds * 1e6;
    while (this.past.length > 0 && this.past[0]!.endMicros <= from) this.past.shift();
    this.past.push(segment);
  }

  /** Has V8 hand out at once a segment that has ended, if it has not yet. */
  handOut(segment: CpuSegment): void {
    if (!this.open.has(segment.title)) return;
    this.current.exclude(() => segment.timeHold(() => this.session.endProfile(segment.title)));
    this.open.delete(segment.title);
    segment.isHandedOut = true;
    if (segment.isKept) setImmediate(() => this.shrink(segment));
  }

  private shrink(segment: CpuSegment): void {
    this.current.exclude(() => {
      if (segment.advance()) setImmediate(() => this.shrink(segment));
    });
  }

  private finished(title: string, profile: Profiler.Profile): void {
    const segment = this.open.get(title);
    segment?.take(profile, this.knownFrames());
    if (segment === this.current && !this.isClosed) setImmediate(() => this.restart());
  }

  /** A `console.profileEnd()` of the application's ended the last profile of V8's, and so its profiler. */
  private restart(): void {
    if (this.isClosed) return;
    this.since = new Date();
    this.rotate(this.recorded);
  }

  private knownFrames(): Map<string, RawFrame> {
    if (this.frames.size > MOST_FRAMES) this.frames = new Map();
    return this.frames;
  }

  private times(): ProcessTimes | undefined {
    return this.clock && new ProcessTimes(this.clock);
  }
}

/** Titles are seen by all sessions of the process. */
function titles(): { last: number } {
  return perProcess('profile-titles', () => ({ last: 0 }));
}
