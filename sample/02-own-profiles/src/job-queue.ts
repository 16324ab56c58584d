import { Injectable } from '@nestjs/common';
import { type ProfileSampleSource, ProfileSource, type SourceSample } from 'nestjs-pprof';

export interface Job {
  readonly kind: 'mail' | 'invoice';
  readonly order: number;
}

/** Nobody works on them, so that there is something to see. */
@Injectable()
export class JobQueue {
  readonly waiting: Job[] = [];

  add(job: Job): void {
    this.waiting.push(job);
  }
}

/** The profile `jobs`, which is computed when somebody reads it. */
@ProfileSource({ name: 'jobs', description: 'Jobs that wait, by kind.' })
@Injectable()
export class JobsProfile implements ProfileSampleSource {
  constructor(private readonly queue: JobQueue) {}

  samples(): SourceSample[] {
    return this.queue.waiting.map(({ kind, order }) => ({
      stack: [kind, 'JobQueue'], // innermost first; names that stand for no code
      values: [1],
      labels: { order },
    }));
  }
}
