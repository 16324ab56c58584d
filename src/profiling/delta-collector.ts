import { setMaxListeners } from 'node:events';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { CapturedProfile } from './captured-profile.js';
import { ProfilerArgumentError, ProfilerCanceledError, UnsupportedWindowError } from './errors.js';
import { ProfileRegistry } from './profile-registry.js';
import type { NamedProfile, ProfileWindow } from './profiles/named-profile.js';
import { wait } from './wait.js';

/** How to take the difference of a profile. */
export interface DeltaOptions {
  /** How long the window is; parts of a second count. */
  readonly seconds: number;
  /** Gives the window up, with a {@link ProfilerCanceledError}. */
  readonly signal?: AbortSignal;
}

/** setTimeout takes no more than 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * What a named profile gained in a window of time: Go's `?seconds=N`. There may be any number at once.
 *
 * @publicApi
 */
@Injectable()
export class DeltaCollector implements OnModuleDestroy {
  private readonly closing = new AbortController();

  constructor(private readonly registry: ProfileRegistry) {
    setMaxListeners(0, this.closing.signal); // each window waits for it, and Node warns of more than ten
  }

  /**
   * Waits for a window and tells what is new at its end.
   *
   * @param profile a named profile, or its name
   *
   * @example
   * const delta = await this.deltas.collect('heap', { seconds: 60 });
   *
   * @throws ProfilerArgumentError if there is no profile of that name, or `seconds` is out of bounds
   * @throws UnsupportedWindowError for a profile that has no windows
   * @throws ProfilerCanceledError if the signal is aborted, or the application shuts down
   */
  async collect(profile: NamedProfile | string, { seconds, signal }: DeltaOptions): Promise<CapturedProfile> {
    const named = typeof profile === 'string' ? this.registry.lookup(profile) : profile;
    if (!named) throw new ProfilerArgumentError(`there is no profile ${String(profile)}`);
    if (!(typeof seconds === 'number' && seconds > 0 && seconds <= MAX_SECONDS)) {
      throw new ProfilerArgumentError(
        `seconds is ${seconds}: it takes a number from above 0 to ${MAX_SECONDS}`,
      );
    }
    if (signal?.aborted) throw new ProfilerCanceledError(signal.reason);
    const window = await named.openWindow();
    if (!window) throw new UnsupportedWindowError(named.name);
    try {
      return await this.endOf(window, seconds, signal);
    } finally {
      window.close();
    }
  }

  onModuleDestroy(): void {
    this.closing.abort();
  }

  private async endOf(
    window: ProfileWindow,
    seconds: number,
    signal: AbortSignal | undefined,
  ): Promise<CapturedProfile> {
    await wait(seconds * 1000, signal, this.closing.signal);
    for (const gone of [signal, this.closing.signal]) {
      if (gone?.aborted) throw new ProfilerCanceledError(gone.reason);
    }
    return window.end();
  }
}
