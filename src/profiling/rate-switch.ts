import { type RateOption, rateProblem } from '../pprof.options.js';
import { ProfilerArgumentError } from './errors.js';

/** How profiles are switched on. */
export interface RateRule {
  readonly option: RateOption;
  readonly setter: string;
  /** What a rate means, such as `one wait in 16`. */
  readonly meaning: (rate: number) => string;
  /** The rate in a window, if it is off otherwise. */
  readonly windowRate: number;
}

/** What costs something, and so is off until a rate is set or a window is open. */
export class RateSwitch {
  private asked = 0;
  private windows = 0;
  private isOver = false;
  private inForce = 0;

  /** @param apply called with the rate that is in force from now on, 0 for off */
  constructor(
    private readonly rule: RateRule,
    private readonly apply: (rate: number) => void,
  ) {}

  /** The rate that is in force; 0 for off. */
  get now(): number {
    if (this.isOver) return 0;
    return this.asked || (this.windows > 0 ? this.rule.windowRate : 0);
  }

  /** Whether it is on, and how to switch it on. */
  get status(): string {
    const { option, setter, meaning } = this.rule;
    if (this.now > 0) return `on: ${meaning(this.now)}`;
    return `off: set the option ${option} or call profiler.${setter}(n); seconds=N switches it on for the window`;
  }

  /** Ends it: from now on nothing switches it on. */
  end(): void {
    this.isOver = true;
    this.update();
  }

  /**
   * Switches it on, or off with 0.
   *
   * @returns the rate before
   * @throws ProfilerArgumentError for a rate that the option does not take
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
   * @returns what ends that; it may be called again
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
