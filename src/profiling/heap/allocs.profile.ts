import { Injectable } from '@nestjs/common';
import { Captures } from '../capture.js';
import type { CapturedProfile } from '../captured-profile.js';
import { HoldMeter } from '../loop.js';
import { difference, NamedProfile, type ProfileWindow } from '../named-profile.js';
import { type HeapProfileKind, HeapReader, LOWER_BOUND } from './heap-reader.js';
import { differenceWindow, ONLY_ALLOCATED } from './heap-profiler.js';

const ALLOCS: HeapProfileKind = {
  name: 'allocs',
  defaultSampleType: 'alloc_space',
  about: [LOWER_BOUND],
  counts: true,
  untracked: () => 'all',
};

const WINDOW: HeapProfileKind = {
  ...ALLOCS,
  about: ['everything allocated in the window, including objects freed in it; inuse_* is unknown'],
  untracked: () => 'none',
};

/** `allocs`: allocations. V8 drops samples of collected objects, except during a window. */
@Injectable()
export class AllocsProfile extends NamedProfile {
  readonly name = 'allocs';
  readonly description =
    'Allocations by stack since the first reading (a lower bound). seconds=N counts every allocation in a window; afterwards heap knows only objects allocated since.';

  constructor(
    private readonly reader: HeapReader,
    captures: Captures,
  ) {
    super(captures);
  }

  /** @internal */
  override async openWindow(): Promise<ProfileWindow> {
    const { reader } = this;
    reader.checkCounts();
    return reader.canKeepDead ? allocationWindow(reader, WINDOW) : differenceWindow(reader, ALLOCS);
  }

  protected async read(): Promise<CapturedProfile> {
    this.reader.checkCounts();
    const { captured } = await this.reader.read(ALLOCS, new HoldMeter());
    return captured;
  }
}

/** Counts everything allocated in the window, including collected objects: V8 keeps their samples while it is open. */
async function allocationWindow(reader: HeapReader, kind: HeapProfileKind): Promise<ProfileWindow> {
  const reading = reader.read(kind, new HoldMeter());
  reader.keepDead();
  let isOpen = true;
  const close = (): void => {
    if (isOpen) reader.dropDead();
    isOpen = false;
  };
  try {
    const before = await reading;
    return {
      async end() {
        const reading = reader.read(kind, new HoldMeter());
        close();
        const after = await reading;
        return difference(before.captured, after.captured, ONLY_ALLOCATED);
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
