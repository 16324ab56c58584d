import { setMaxListeners } from 'node:events';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Captures } from './capture.js';
import type { CapturedProfile } from './captured-profile.js';
import { ProfilerArgumentError, ProfilerCanceledError, ProfilerCollectError } from './errors.js';
import { checkSignal, wait } from './loop.js';
import type { NamedProfile } from './named-profile.js';
import { ProfileRegistry } from './profile-registry.js';

/** How to capture a window. */
export interface DeltaOptions {
  /** Length of the window; may be fractional. */
  readonly seconds: number;
  /** Aborting it ends the window with a {@link ProfilerCanceledError}. */
  readonly signal?: AbortSignal;
}

/** The limit of setTimeout, 2^31 - 1 ms. */
const MAX_SECONDS = 2_147_483;

/**
 * Captures how a named profile changes during a window of time, like Go's `?seconds=N`. Any number of windows can be open at
 * once.
 *
 * @publicApi
 */
@Injectable()
export class DeltaCollector implements OnModuleDestroy {
  private readonly closing = new AbortController();

  /** @internal */
  constructor(
    private readonly registry: ProfileRegistry,
    private readonly captures: Captures,
  ) {
    setMaxListeners(0, this.closing.signal); // one for each window
  }

  /**
   * Opens a window, waits for its end, and returns the difference.
   *
   * @param profile a named profile or its name
   *
   * @example
   * const delta = await this.deltas.collect('heap', { seconds: 60 });
   *
   * @throws ProfilerArgumentError if there is no such profile, it does not support windows, or `seconds` or `signal` is invalid
   * @throws ProfilerCanceledError if the signal is aborted or the application shuts down
   * @throws ProfilerCollectError if the profile cannot be read
   */
  async collect(profile: NamedProfile | string, options: DeltaOptions): Promise<CapturedProfile> {
    const named = typeof profile === 'string' ? this.registry.lookup(profile) : profile;
    if (!named) throw new ProfilerArgumentError(`unknown profile ${JSON.stringify(profile)}`);
    if (!named.hasWindows)
      throw new ProfilerArgumentError(
        `profile ${named.name} does not support windows: only built-in and cumulative profiles do`,
      );
    const { seconds } = options;
    if (!(typeof seconds === 'number' && seconds > 0 && seconds <= MAX_SECONDS)) {
      throw new ProfilerArgumentError(`invalid seconds ${seconds}: expected a number in (0, ${MAX_SECONDS}]`);
    }
    return this.captures.run({ profile: `${named.name}-delta` }, () => this.take(named, options));
  }

  onModuleDestroy(): void {
    this.closing.abort(new Error('the application is shutting down'));
  }

  /**
   * Captures without a log line or event, for callers that report the capture themselves.
   *
   * @internal
   */
  async take(profile: NamedProfile, { seconds, signal }: DeltaOptions): Promise<CapturedProfile> {
    checkSignal(signal);
    const signals = [signal, this.closing.signal];
    throwIfAborted(signals);
    const window = await collected(profile.openWindow());
    try {
      await wait(seconds * 1000, ...signals);
      throwIfAborted(signals);
      return await collected(window.end());
    } finally {
      window.close();
    }
  }
}

function throwIfAborted(signals: readonly (AbortSignal | undefined)[]): void {
  const aborted = signals.find((signal) => signal?.aborted);
  if (aborted) throw new ProfilerCanceledError(aborted.reason);
}

async function collected<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new ProfilerCollectError(cause);
  }
}
