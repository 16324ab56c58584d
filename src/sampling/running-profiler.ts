import type { Profiler } from 'node:inspector';
import { nowMicros } from './cpu-readings.js';
import { CpuSegment, samplesOf } from './cpu-segment.js';
import { InspectorSession } from './inspector-session.js';
import { perProcess } from './process-state.js';
import { ProcessTimes } from './process-times.js';
import type { CpuRecording, CpuSamples, KeptProfiler, RawFrame, Sliced } from './sampler.js';
import { openThreadClock } from './thread-clock.js';

/**
 * Lengths of segments, in ms. To return a segment, V8 takes about 5 µs per node, and it keeps about 200 bytes per segment until its
 * profiler stops.
 */
const SEGMENT = { shortest: 100, ofPast: 2000, longest: 10_000 };
/** Segments of a recording have about this many samples. */
const SAMPLES_IN_SEGMENT = 25;

/**
 * V8's sampling thread adds a sample to the profiles when it takes the next one. After this many intervals, or at most this many ms,
 * an ended segment has all its samples.
 */
const COMPLETE = { intervals: 2, longest: 100 };

/** Maximum number of cached frames, since programs can create functions without limit. */
const MOST_FRAMES = 50_000;

/**
 * V8's CPU profiler, running in a separate session from its creation until {@link close}.
 *
 * Starting and stopping V8's profiler takes long, since it walks all code. But while it is running, the session that started it can
 * quickly begin and end any number of profiles. Here, consecutive profiles are recorded as segments, each beginning before the
 * previous one ends, and short enough that V8 never has to return much at once. A recording consists of the segments from its start to
 * its end; the past consists of the kept segments.
 *
 * All have the same rate, since V8 can't change it while sampling.
 */
export class RunningProfiler implements KeptProfiler {
  since = new Date();
  private readonly session = new InspectorSession();
  private readonly clock = openThreadClock();
  private readonly atBegin = this.times();
  private atEnd: ProcessTimes | undefined;
  /** Segments that V8 has not returned yet, by title. */
  private readonly open = new Map<string, CpuSegment>();
  current!: CpuSegment;
  /** Frames shared by all segments, since frames take most of the memory. */
  private frames = new Map<string, RawFrame>();
  private recorded: CpuSegment[] | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly completing = new Set<NodeJS.Timeout>();
  isClosed = false;

  /**
   * @param hz samples per second
   * @param pastSeconds how long segments are kept
   * @param past kept segments of a previous profiler
   * @param ended called with each ended segment, before V8 returns it; returns whether its last samples matter
   * @throws Error with the inspector's message if it fails
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
   * Begins a recording; only one at a time.
   *
   * @param isCold whether the profiler was started for this recording; then the recording includes the time since its start
   * @param whenStopped called when it was stopped
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

  /** Includes the whole of a segment that began earlier. */
  recent(seconds: number): ReturnType<KeptProfiler['recent']> {
    if (!this.isClosed) this.rotate(this.recorded);
    const now = nowMicros();
    const segments = this.past.filter(({ endMicros }) => endMicros > now - seconds * 1e6);
    const kept = (now - (segments[0]?.beginMicros ?? now)) / 1e6;
    const samples = this.samplesOf(segments, segments[0]?.times, this.atEnd ?? this.current.times);
    return { begin: new Date(Date.now() - kept * 1000), seconds: kept, samples };
  }

  /** Ends the current segment, which V8 returns soon after. */
  split(): void {
    if (!this.isClosed) this.rotate(this.recorded);
  }

  /** Ends the current segment, and gets all ended segments from V8 at once. */
  cut(): void {
    if (this.isClosed) return;
    this.split();
    for (const segment of this.open.values()) if (segment !== this.current) this.handOut(segment);
  }

  /** Stops V8's profiler. A recording in progress, and the past, keep the samples so far. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const timer of [this.timer, ...this.completing]) clearTimeout(timer);
    this.current.end();
    this.recorded?.push(this.current);
    if (this.pastSeconds > 0) this.keep(this.current);
    this.ended(this.current);
    for (const segment of this.open.values()) this.handOut(segment); // otherwise it would continue in other sessions
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

  /** Begins the next segment, and soon after gets the previous one from V8. */
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

  /** Gets an ended segment from V8 at once, if it was not returned yet. */
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

  /** The application's `console.profileEnd()` ended V8's last profile, which stopped its profiler. */
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

/** Titles are visible to all sessions of the process, so they must be unique. */
function titles(): { last: number } {
  return perProcess('profile-titles', () => ({ last: 0 }));
}
