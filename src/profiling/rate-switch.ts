import { type RateOption, rateProblem } from '../pprof.options.js';
import { ProfilerArgumentError } from './errors.js';

/** How a profile is switched on. */
export interface RateRule {
  readonly option: RateOption;
  readonly setter: string;
  /** Describes a rate, such as `one wait in 16`. */
  readonly meaning: (rate: number) => string;
  /** The rate during a window if no rate is set. */
  readonly windowRate: number;
  /** Describes what a window records at that rate, and what it costs if that is much. */
  readonly inWindow: string;
}

/** Switches a profile that has a cost: it is off until a rate is set or a window is opened. */
export class RateSwitch {
  private asked = 0;
  private windows = 0;
  private isOver = false;
  private inForce = 0;

  /** @param apply called with each new effective rate, 0 for off */
  constructor(
    private readonly rule: RateRule,
    private readonly apply: (rate: number) => void,
  ) {}

  /** The effective rate; 0 for off. */
  get now(): number {
    if (this.isOver) return 0;
    return this.asked || (this.windows > 0 ? this.rule.windowRate : 0);
  }

  /** A description of whether it is on, and how to switch it on. */
  get status(): string {
    const { option, setter, meaning, inWindow } = this.rule;
    if (this.now > 0) return `on: ${meaning(this.now)}`;
    return `off: set the option ${option} or call profiler.${setter}(n); seconds=N switches it on for the window (${inWindow})`;
  }

  /** Switches it off for good. */
  end(): void {
    this.isOver = true;
    this.update();
  }

  /**
   * Sets the rate; 0 switches it off, unless a window is open.
   *
   * @returns the previous rate
   * @throws ProfilerArgumentError if the rate is invalid
   */
  set(rate: number): number {
    const problem = rateProblem(this.rule.option, rate);
    if (problem) throw new ProfilerArgumentError(problem);
    const before = this.asked;
    this.asked = rate;
    this.update();
    return before;
  }

  /**
   * Switches it on for a window.
   *
   * @returns a function that ends the window; calling it again does nothing
   */
  open(): () => void {
    this.windows++;
    this.update();
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.windows--;
      this.update();
    };
  }

  private update(): void {
    const { now } = this;
    if (now === this.inForce) return;
    this.inForce = now;
    this.apply(now);
  }
}
