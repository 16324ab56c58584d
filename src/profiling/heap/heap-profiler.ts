import { Injectable } from '@nestjs/common';
import { collectGarbage } from '../../sampling/garbage.js';
import { Captures } from '../capture.js';
import type { CapturedProfile } from '../captured-profile.js';
import { HoldMeter } from '../loop.js';
import { type CollectOptions, difference, NamedProfile, type ProfileWindow } from '../named-profile.js';
import { type HeapProfileKind, HeapReader, LOWER_BOUND } from './heap-reader.js';

/** Factors that subtract what was allocated and ignore what is in use. */
export const ONLY_ALLOCATED = [-1, -1, 0, 0];

const HEAP: HeapProfileKind = {
  name: 'heap',
  defaultSampleType: '',
  about: ['alloc_* is a lower bound: the larger of what allocs has counted so far and what is in use'],
  counts: false,
  untracked: () => 'all',
};

const WINDOW: HeapProfileKind = { ...HEAP, about: [LOWER_BOUND], counts: true };

/**
 * `heap`: live objects by the stack that allocated them. V8 takes one sample per `memProfileRate` bytes allocated. With
 * `memProfileRate` 0 it shows external memory only.
 *
 * @publicApi
 */
@Injectable()
export class HeapProfiler extends NamedProfile {
  readonly name = 'heap';
  readonly description =
    'Objects in memory by the stack that allocated them, and memory outside the heap. Garbage counts until it is collected: gc=1 collects it first.';
  override readonly devToolsFormat = 'heapprofile';

  /** @internal */
  constructor(
    private readonly reader: HeapReader,
    captures: Captures,
  ) {
    super(captures);
  }

  /** @internal */
  override openWindow(): Promise<ProfileWindow> {
    return differenceWindow(this.reader, WINDOW);
  }

  protected async read({ gc = false }: CollectOptions): Promise<CapturedProfile> {
    const holds = new HoldMeter();
    if (gc) holds.note(await collectGarbage());
    const { captured } = await this.reader.read(HEAP, holds);
    return captured;
  }
}

/**
 * The difference of two readings. If V8 began a new epoch in between, it has forgotten earlier objects: only objects sampled since
 * then count as in use, and no value is negative.
 */
export async function differenceWindow(reader: HeapReader, kind: HeapProfileKind): Promise<ProfileWindow> {
  const before = await reader.read({ ...kind, untracked: () => 'outside' }, new HoldMeter());
  return {
    async end() {
      const untracked: HeapProfileKind['untracked'] = (epoch) =>
        epoch === before.epoch ? 'outside' : 'none';
      const after = await reader.read({ ...kind, untracked }, new HoldMeter());
      const factors = after.epoch === before.epoch ? -1 : ONLY_ALLOCATED;
      return difference(before.captured, after.captured, factors);
    },
    close() {},
  };
}
