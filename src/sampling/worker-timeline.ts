import { nanosOfMillis } from './trace-clock.js';
import { type CreatedWorker, followWorkers, isAlive, type WatchedWorker } from './worker-creation.js';

/** A worker thread was created (or is alive when the timeline begins), or has ended. */
export interface WorkerEvent {
  readonly type: 'begin' | 'end';
  /** In nanoseconds of `performance.now()`. An end is noticed when the timeline is asked. */
  readonly time: number;
  readonly worker: CreatedWorker;
}

/**
 * The worker threads that this thread has created since the module watches for them, from the timeline's creation until {@link stop}.
 * Nothing listens to them.
 */
export class WorkerTimeline {
  private events: WorkerEvent[] = [];
  private readonly alive = new Set<WatchedWorker>();
  private readonly unfollow = followWorkers((worker) => {
    this.alive.add(worker);
    this.add('begin', worker);
  });

  /** What has happened since it was asked before. */
  take(): WorkerEvent[] {
    for (const worker of this.alive) {
      if (isAlive(worker)) continue;
      this.alive.delete(worker);
      this.add('end', worker);
    }
    const { events } = this;
    this.events = [];
    return events;
  }

  /** The rest. Threads that are alive have no end. */
  stop(): WorkerEvent[] {
    this.unfollow();
    return this.take();
  }

  private add(type: WorkerEvent['type'], worker: WatchedWorker): void {
    this.events.push({ type, time: nanosOfMillis(performance.now()), worker });
  }
}
