import { Injectable } from '@nestjs/common';
import { type ProfileSampleSource, ProfileSource, type SourceSample } from 'nestjs-pprof';

/** Nobody works on these jobs, so that there is something to see. */
@Injectable()
export class JobQueue {
  readonly waiting = new Map<string, number>();

  add(kind: string): void {
    this.waiting.set(kind, (this.waiting.get(kind) ?? 0) + 1);
  }
}

/** The profile `jobs`. */
@ProfileSource({ name: 'jobs', description: 'Waiting jobs by kind.' })
@Injectable()
export class JobsProfile implements ProfileSampleSource {
  constructor(private readonly queue: JobQueue) {}

  *samples(): Iterable<SourceSample> {
    for (const [kind, count] of this.queue.waiting) yield { stack: [kind, 'JobQueue'], values: count };
  }
}
