import { nanosOfMillis } from './trace-clock.js';
import { type CreatedWorker, followWorkers, isAlive, type WatchedWorker } from './worker-creation.js';

/** A worker thread was created (or was alive when the timeline began), or has ended. */
export interface WorkerEvent {
  readonly type: 'begin' | 'end';
  /** In nanoseconds of `performance.now()`. Ends are detected when events are taken. */
  readonly time: number;
  readonly worker: CreatedWorker;
}

/**
 * Records worker threads that this thread creates, from the timeline's creation until {@link stop}. It adds no listeners to them.
 */
export class WorkerTimeline {
  private events: WorkerEvent[] = [];
  private readonly alive = new Set<WatchedWorker>();
  private readonly unfollow = followWorkers((worker) => {
    this.alive.add(worker);
    this.add('begin', worker);
  });

  /** The events since the last call. */
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

  /** Stops and returns the remaining events. Live threads have no end event. */
  stop(): WorkerEvent[] {
    this.unfollow();
    return this.take();
  }

  private add(type: WorkerEvent['type'], worker: WatchedWorker): void {
    this.events.push({ type, time: nanosOfMillis(performance.now()), worker });
  }
}
