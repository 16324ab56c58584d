import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { nativeThreads } from '../../sampling/native-threads.js';
import {
  forgetWorkerBirths,
  rememberWorkerBirths,
  type WorkerBirth,
  workerBirths,
} from '../../sampling/worker-births.js';
import { namedFrame } from '../../sampling/sampler.js';
import type { CapturedProfile } from '../captured-profile.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { differenceWindow } from '../difference-window.js';
import { type CountedStack, ProfileMaker } from '../profile-maker.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** `threadcreate`: the threads there are, by who has created them. */
@Injectable()
export class ThreadCreateProfile extends NamedProfile implements OnModuleDestroy {
  readonly name = 'threadcreate';
  readonly description = DESCRIPTIONS.threadcreate;

  constructor(private readonly maker: ProfileMaker) {
    super();
    rememberWorkerBirths();
  }

  override get hasWindows(): boolean {
    return true;
  }

  /** Number of threads. */
  override count(): number {
    return Math.max(nativeThreads().length, 1 + workerBirths().length);
  }

  override openWindow(): Promise<ProfileWindow> {
    return differenceWindow(() => this.collect());
  }

  onModuleDestroy(): void {
    forgetWorkerBirths();
  }

  protected take(): Promise<CapturedProfile> {
    return this.maker.make(this.name, [{ type: this.name, unit: 'count' }], stacksOf(workerBirths()));
  }
}

/** Workers by who made them, and all other threads by their names: as many as the system has. */
function stacksOf(births: readonly WorkerBirth[]): CountedStack[] {
  const threads = nativeThreads();
  const running = new Set<string | undefined>(threads.map(({ id }) => id));
  // The thread of a worker ends a moment before the worker does.
  const workers = running.size === 0 ? births : births.filter(({ nativeId }) => running.has(nativeId));
  const ofWorkers = new Set(workers.map(({ nativeId }) => nativeId));
  const others = threads.filter(({ id }) => !ofWorkers.has(id) && !isMain(id));
  return [
    { stack: [namedFrame('(main thread)')], values: [1] },
    ...workers.map(({ stack }) => ({ stack, values: [1] })),
    ...others.map(({ name }) => ({
      stack: [namedFrame(name), namedFrame('(native threads)')],
      values: [1],
    })),
  ];
}

/** Its number is the process's. */
function isMain(id: string): boolean {
  return Number(id) === process.pid;
}
