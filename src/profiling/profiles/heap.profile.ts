import { Injectable } from '@nestjs/common';
import type { CapturedProfile } from '../captured-profile.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { HeapProfiler } from '../heap-profiler.js';
import { type CollectOptions, NamedProfile, type ProfileWindow } from './named-profile.js';

/** `heap`: what is alive, by the stack that allocated it. */
@Injectable()
export class HeapProfile extends NamedProfile {
  readonly name = 'heap';
  readonly description = DESCRIPTIONS.heap;
  override readonly devToolsFormat = 'heapprofile';

  constructor(private readonly profiler: HeapProfiler) {
    super();
  }

  override get hasWindows(): boolean {
    return true;
  }

  override openWindow(): Promise<ProfileWindow> {
    return this.profiler.openWindow();
  }

  protected take({ gc }: CollectOptions): Promise<CapturedProfile> {
    return this.profiler.profile({ gc });
  }
}
