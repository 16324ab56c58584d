import type { Captures } from './capture.js';
import { NamedProfile, type ProfileWindow } from './named-profile.js';
import type { RateSwitch } from './rate-switch.js';

/** A profile that collects nothing until it is switched on, by a rate or for a window. */
export abstract class RatedProfile extends NamedProfile {
  /** @internal */
  constructor(
    captures: Captures,
    /** Switches it on and off. */
    readonly rate: RateSwitch,
  ) {
    super(captures);
  }

  override get isOff(): boolean {
    return this.rate.now === 0;
  }

  override get status(): string {
    return this.rate.status;
  }

  /** @internal */
  override async openWindow(): Promise<ProfileWindow> {
    const close = this.rate.open();
    try {
      const window = await super.openWindow();
      return { end: () => window.end(), close };
    } catch (error) {
      close();
      throw error;
    }
  }
}
