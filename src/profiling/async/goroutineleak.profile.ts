import { Injectable } from '@nestjs/common';
import { goroutineDump } from '../../format/goroutine-dump.js';
import { collectGarbage } from '../../sampling/garbage.js';
import { Captures } from '../capture.js';
import { CapturedProfile } from '../captured-profile.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { countsHeader, framesByKey, profileOf, resolveSamples } from '../frames/stack-samples.js';
import { HoldMeter, runSliced } from '../loop.js';
import { RatedProfile } from '../rated-profile.js';
import { awaitExecution, LEAKED } from './executions.js';
import { PendingAwaits } from './pending-awaits.js';

const SAMPLE_TYPES = [{ type: 'goroutineleak', unit: 'count' }];

/** `goroutineleak`: executions that can never resume, because what they await is no longer reachable. Found by garbage collection. */
@Injectable()
export class GoroutineLeakProfile extends RatedProfile {
  readonly name = 'goroutineleak';
  readonly description =
    'Awaits that can never resume, because nothing can settle their promise. Reading it collects garbage.';
  override readonly hasDump = true;

  constructor(
    private readonly awaits: PendingAwaits,
    private readonly frames: FrameResolver,
    private readonly log: Captures,
  ) {
    super(log, awaits.rate);
  }

  protected async read(): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    const { lost } = this.awaits;
    if (this.rate.now > 0) {
      holds.note(await collectGarbage());
      await runSliced(this.awaits.findLost(), holds);
    }
    const now = performance.now();
    const { last } = lost;
    const about = `${this.name} is ${this.status}`;
    const comments = this.log.comments([about, ...lost.totals.comments]);
    const samples = await runSliced(lost.totals.samples(), holds);
    const resolved = await resolveSamples(samples, SAMPLE_TYPES.length, this.frames, holds);
    const profile = await profileOf(countsHeader(SAMPLE_TYPES, comments), resolved, holds);
    const stacks = await runSliced(framesByKey(samples, resolved), holds);
    return new CapturedProfile(this.name, profile, holds, {
      *dump() {
        const blocks = last.map((one) =>
          awaitExecution(one, stacks.get(one.stack.key) ?? [], one.request, now, LEAKED),
        );
        return [
          `${about}

`,
          ...(yield* goroutineDump(blocks)),
        ];
      },
    });
  }
}
