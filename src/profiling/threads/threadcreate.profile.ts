import { Injectable } from '@nestjs/common';
import { threadNames } from '../../sampling/native-threads.js';
import { createdWorkers } from '../../sampling/worker-creation.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { countsHeader, profileOfSamples } from '../frames/stack-samples.js';
import { HoldMeter } from '../loop.js';
import { NamedProfile } from '../named-profile.js';
import { threadSamples } from './thread-samples.js';

const NOT_LISTED =
  'the threads of the process cannot be listed, because there is no readable /proc: only the main thread and worker threads are shown';

/** `threadcreate`: the threads of the process; worker threads by the stack that created them. */
@Injectable()
export class ThreadCreateProfile extends NamedProfile {
  readonly name = 'threadcreate';
  readonly description =
    'Threads of the process: worker threads by the stack that created them, others by name.';

  constructor(
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(log);
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const [names, workers] = holds.time(() => [threadNames(), createdWorkers()]);
    const { since, created, alive } = workers;
    const counts = `worker threads since ${since.toISOString()}: ${created} created, ${created - alive.length} ended`;
    const header = countsHeader(
      [{ type: this.name, unit: 'count' }],
      this.log.comments([counts, ...(names ? [] : [NOT_LISTED])]),
    );
    const profile = await profileOfSamples(header, threadSamples(names, alive), this.frames, holds);
    return new CapturedProfile(this.name, profile, holds, { textTrailer: () => [`# ${counts}`] });
  }
}
