import type { ProfileWindow } from './profiles/named-profile.js';

/**
 * Keeps something on that costs: while its rate says so, or for as long as somebody needs it. The rate is the user's; 0 is
 * off.
 */
export class RateSwitch {
  private users = 0;
  private applied = 0;
  private ended = false;

  /**
   * @param whenNeeded the rate while somebody needs it and the user has it off
   * @param apply switches over, at once; called with changes only
   */
  constructor(
    private own: number,
    private readonly whenNeeded: number,
    private readonly apply: (rate: number) => void,
  ) {
    this.update();
  }

  /** The user's rate. */
  get rate(): number {
    return this.own;
  }

  /** The rate in force. */
  get inForce(): number {
    return this.applied;
  }

  /** @returns the old rate */
  set(rate: number): number {
    const old = this.own;
    this.own = rate;
    this.update();
    return old;
  }

  /** Needs it until the returned function is called. */
  need(): () => void {
    let needed = true;
    this.users++;
    this.update();
    return () => {
      if (!needed) return;
      needed = false;
      this.users--;
      this.update();
    };
  }

  /** Off for good, whoever needs it: the application shuts down. */
  end(): void {
    this.ended = true;
    this.update();
  }

  private update(): void {
    const rate = this.ended ? 0 : this.own || (this.users > 0 ? this.whenNeeded : 0);
    if (rate === this.applied) return;
    this.applied = rate;
    this.apply(rate);
  }
}

/** A window of time for which something is switched on. */
export async function windowWith(
  rate: RateSwitch,
  open: () => Promise<ProfileWindow>,
): Promise<ProfileWindow> {
  const release = rate.need();
  try {
    const window = await open();
    return {
      end: () => window.end().finally(release),
      close() {
        window.close();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}
