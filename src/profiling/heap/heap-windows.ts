import { HoldMeter } from '../loop.js';
import { difference, type ProfileWindow } from '../named-profile.js';
import type { HeapProfileKind, HeapReader } from './heap-reader.js';

/** Factors that subtract what was allocated and ignore what is in use. */
const ONLY_ALLOCATED = [-1, -1, 0, 0];

/**
 * The difference of two readings. If V8 has begun a new epoch in between, it has forgotten what was alive before: only what
 * is tracked since then counts as in use, and no value is negative.
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

/** All that is allocated in the window, dead or alive at its end: V8 keeps dead objects while it is open. */
export async function allocationWindow(reader: HeapReader, kind: HeapProfileKind): Promise<ProfileWindow> {
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
