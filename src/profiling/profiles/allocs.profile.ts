import { Injectable } from '@nestjs/common';
import type { CapturedProfile } from '../captured-profile.js';
import { DESCRIPTIONS } from '../descriptions.js';
import { HeapProfiler } from '../heap-profiler.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';

/** `allocs`: what was allocated, dead or alive, by the stack that allocated it. */
@Injectable()
export class AllocsProfile extends NamedProfile {
  readonly name = 'allocs';
  readonly description = DESCRIPTIONS.allocs;

  constructor(private readonly profiler: HeapProfiler) {
    super();
  }

  override get hasWindows(): boolean {
    return this.profiler.hasAllocationWindows;
  }

  override openWindow(): Promise<ProfileWindow | undefined> {
    return Promise.resolve(this.profiler.openAllocationWindow());
  }

  protected take(): Promise<CapturedProfile> {
    return this.profiler.allocations();
  }
}
