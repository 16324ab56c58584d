import { Injectable } from '@nestjs/common';
import type { CapturedProfile } from '../captured-profile.js';
import { HeapProfiler } from '../heap-profiler.js';
import type { CollectOptions, NamedProfile } from './named-profile.js';

/** `heap`: what is alive, by the stack that allocated it. */
@Injectable()
export class HeapProfile implements NamedProfile {
  readonly name = 'heap';
  readonly devToolsFormat = 'heapprofile';
  private lastCount = 0;

  constructor(private readonly profiler: HeapProfiler) {}

  count(): number {
    return this.lastCount;
  }

  async collect({ gc }: CollectOptions = {}): Promise<CapturedProfile> {
    const captured = await this.profiler.profile({ gc });
    this.lastCount = captured.profile.samples.length;
    return captured;
  }
}
