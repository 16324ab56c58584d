import { Injectable } from '@nestjs/common';
import { callStack } from '../../sampling/call-stack.js';
import { workerStacks } from '../../sampling/worker-stacks.js';
import { AsyncTracker } from '../async-tracker.js';
import type { CapturedProfile } from '../captured-profile.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { differenceWindow } from '../difference-window.js';
import {
  awaitExecution,
  type Execution,
  executionDump,
  executionStacks,
  requestExecution,
  resourceExecutions,
  runningExecution,
  threadExecution,
} from '../executions.js';
import { ProfileMaker } from '../profile-maker.js';
import { windowWith } from '../rate-switch.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** A worker thread that executes JavaScript answers within a few ms. */
const THREAD_TIMEOUT_MS = 100;

/** `goroutine`: all that is under way. */
@Injectable()
export class GoroutineProfile extends NamedProfile {
  readonly name = 'goroutine';
  readonly description = DESCRIPTIONS.goroutine;
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

  /** What runs is left out: a window has as many at its begin as at its end. */
  override openWindow(): Promise<ProfileWindow> {
    return windowWith(this.tracker.awaitRate, () =>
      differenceWindow(() => this.make(underWay(this.tracker))),
    );
  }

  protected async take(): Promise<CapturedProfile> {
    const running = runningExecution(callStack(this.collect));
    const threads = await workerStacks(THREAD_TIMEOUT_MS);
    return this.make([running, ...threads.map(threadExecution), ...underWay(this.tracker)]);
  }

  private make(executions: readonly Execution[]): Promise<CapturedProfile> {
    const now = performance.now();
    return this.maker.make(this.name, [{ type: this.name, unit: 'count' }], executionStacks(executions), {
      about: [tracked(this.tracker.awaitRate.inForce)],
      dump: (framesOf) => executionDump(executions, now, framesOf),
    });
  }
}

/** What a reader of the profiles by `await` has to know. */
export const OFF =
  'off: pending awaits are tracked with goroutineProfileRate, or for as long as seconds=N says';

export function tracked(every: number): string {
  if (every === 0) return OFF;
  return every === 1 ? 'every await is tracked' : `one await in ${every} is tracked, and stands for ${every}`;
}

/**
 * Awaits and requests, oldest first, and the resources that are active. A request is the label of its awaits, and stands by
 * itself where none is known: with a rate above 1 that says nothing of a request that came while awaits were tracked.
 */
export function underWay(tracker: AsyncTracker): Execution[] {
  const awaits = tracker.pendingAwaits();
  const awaiting = new Set(awaits.map(({ request }) => request));
  const requests = tracker.requests().filter((request) => !awaiting.has(request));
  const executions = [...awaits.map(awaitExecution), ...requests.map(requestExecution)];
  executions.sort((a, b) => a.since! - b.since!);
  return [...executions, ...resourceExecutions(process.getActiveResourcesInfo())];
}
