import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { collectGarbage } from '../../sampling/garbage.js';
import { AsyncTracker, type LeakedAwaits } from '../async-tracker.js';
import type { CapturedProfile } from '../captured-profile.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { differenceWindow } from '../difference-window.js';
import { awaitExecution, type Execution, executionDump, executionStacks } from '../executions.js';
import { ProfileMaker } from '../profile-maker.js';
import { windowWith } from '../rate-switch.js';
import { OFF, tracked, underWay } from './goroutine.profile.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** `goroutineleak`: executions that can never go on. */
@Injectable()
export class GoroutineLeakProfile extends NamedProfile {
  readonly name = 'goroutineleak';
  readonly description = DESCRIPTIONS.goroutineleak;
  override readonly hasDump = true;

  constructor(
    private readonly tracker: AsyncTracker,
    private readonly maker: ProfileMaker,
  ) {
    super();
  }

  override get hint(): string | undefined {
    return this.tracker.awaitRate.rate > 0 ? undefined : OFF;
  }

  override get hasWindows(): boolean {
    return true;
  }

  override openWindow(): Promise<ProfileWindow> {
    return windowWith(this.tracker.awaitRate, () => differenceWindow(() => this.collect()));
  }

  protected async take(): Promise<CapturedProfile> {
    if (this.tracker.awaitRate.inForce > 0) await findLeaks();
    const leaked = this.tracker.leakedAwaits().map(leakedExecution);
    const now = performance.now();
    const all = [...leaked, ...underWay(this.tracker)];
    const stacks = executionStacks(all, (execution) => execution.leaked === true);
    return this.maker.make(this.name, [{ type: this.name, unit: 'count' }], stacks, {
      about: [tracked(this.tracker.awaitRate.inForce)],
      dump: (framesOf) => executionDump(all, now, framesOf),
    });
  }
}

/** V8 tells what it has collected in tasks of their own. */
async function findLeaks(): Promise<void> {
  await collectGarbage();
  for (let turn = 0; turn < 3; turn++) await setImmediate();
}

function leakedExecution({ first, count }: LeakedAwaits): Execution {
  return { ...awaitExecution(first), weight: count, leaked: true };
}
