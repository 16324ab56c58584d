import { nowMicros } from './cpu-readings.js';
import { Heartbeat, type Hold } from './heartbeat.js';
import { processState } from './process-state.js';
import { RollingCpu, type TimedStack } from './rolling-cpu.js';

/** Is told of a hold: who held the loop, and each for how long; together it is the time that others waited. */
type HoldListener = (stacks: readonly TimedStack[]) => void;

/** A hold has so many beats, and as many CPU samples, before it is longer than the threshold. */
const BEATS = 10;

/** Bounds of the time between two of them, in ms. */
const PERIOD = { min: 1, max: 10 } as const;

/** In a piece of the recording. To cut holds the loop in proportion, for 1 to 3 ms by this many. */
const SAMPLES = 2000;

/** Holds that wait for the next cut. */
const MOST_HOLDS = 10_000;

/** Of the time, cuts take one part in so many at most: somebody else's session can make them slow. */
const CUT_SHARE = 100;

/**
 * Watches for times in which the event loop of this thread is held, and for who holds it. There is one watch for all; its
 * timer and its recording are there only while somebody watches.
 *
 * @param thresholdMs above 0; a hold is longer
 * @param onHold is told when the recording is cut, within seconds
 */
export function watchLoop(thresholdMs: number, onHold: HoldListener): LoopWatcher {
  const watch = (processState().loopWatch ??= new LoopWatch());
  const watcher = new LoopWatcher(watch, thresholdMs, onHold);
  watch.add(watcher);
  return watcher;
}

/** One who watches: see {@link watchLoop}. */
export class LoopWatcher {
  constructor(
    private readonly watch: LoopWatch,
    private threshold: number,
    readonly onHold: HoldListener,
  ) {}

  get thresholdMs(): number {
    return this.threshold;
  }

  set thresholdMs(ms: number) {
    this.threshold = ms;
    this.watch.tune();
  }

  /** Tells of what has ended just now too. Whoever was called in the midst of a hold lets the loop turn first. */
  catchUp(): void {
    this.watch.catchUp();
  }

  /** Is told of all until now, and of nothing after. */
  end(): void {
    this.watch.remove(this);
  }
}

/** The watch of this thread: see {@link watchLoop}. */
export class LoopWatch {
  private readonly watchers = new Set<LoopWatcher>();
  private running: Recording | undefined;

  add(watcher: LoopWatcher): void {
    this.running?.deliver(); // to those who have watched for these
    this.watchers.add(watcher);
    try {
      this.tune();
    } catch (error) {
      this.watchers.delete(watcher);
      throw error;
    }
  }

  remove(watcher: LoopWatcher): void {
    if (!this.watchers.has(watcher)) return;
    this.catchUp();
    this.watchers.delete(watcher);
    this.tune();
  }

  catchUp(): void {
    this.running?.catchUp();
  }

  /** Records as finely as the lowest threshold needs it. */
  tune(): void {
    const periodMs = periodOf([...this.watchers].map(({ thresholdMs }) => thresholdMs));
    if (this.running?.periodMs === periodMs) return;
    this.running?.stop();
    this.running = periodMs === undefined ? undefined : new Recording(periodMs, this.watchers);
  }
}

function periodOf(thresholds: readonly number[]): number | undefined {
  if (thresholds.length === 0) return undefined;
  return Math.min(Math.max(Math.min(...thresholds) / BEATS, PERIOD.min), PERIOD.max);
}

/** Heartbeat and CPU samples, for as long as nobody wants them finer or coarser. */
class Recording {
  private readonly cpu: RollingCpu;
  private readonly heartbeat: Heartbeat;
  private readonly holds: Hold[] = [];
  private nextCut: number;

  constructor(
    readonly periodMs: number,
    private readonly watchers: ReadonlySet<LoopWatcher>,
  ) {
    this.cpu = new RollingCpu(periodMs * 1000);
    this.heartbeat = new Heartbeat(periodMs, (hold) => this.note(hold));
    this.nextCut = this.cutAfter(0);
  }

  catchUp(): void {
    this.heartbeat.beat();
    this.deliver();
  }

  deliver(): void {
    if (this.holds.length > 0) this.heartbeat.apart(() => this.cut());
  }

  stop(): void {
    this.deliver();
    this.heartbeat.stop();
    this.cpu.close();
  }

  private note(hold: Hold): void {
    if (this.watchersOf(hold).length > 0) this.holds.push(hold);
    if (hold.endMicros >= this.nextCut || this.holds.length >= MOST_HOLDS) {
      this.heartbeat.apart(() => this.cut());
    }
  }

  private cut(): void {
    const begin = nowMicros();
    const piece = this.cpu.cut();
    for (const hold of this.holds.splice(0)) {
      const stacks = piece.stacksIn(hold);
      for (const { onHold } of this.watchersOf(hold)) onHold(stacks);
    }
    this.nextCut = this.cutAfter(nowMicros() - begin);
  }

  private watchersOf({ lateMicros }: Hold): LoopWatcher[] {
    return [...this.watchers].filter(({ thresholdMs }) => lateMicros > thresholdMs * 1000);
  }

  private cutAfter(lastCutMicros: number): number {
    return nowMicros() + Math.max(this.periodMs * 1000 * SAMPLES, lastCutMicros * CUT_SHARE);
  }
}
