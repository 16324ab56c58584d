import { Logger, type LoggerService } from '@nestjs/common';

/** What was logged. */
export interface Logged {
  readonly lines: readonly string[];
  readonly errors: readonly string[];
}

/** A logger for the options of an application, which keeps what it is told. */
export class KeptLog implements LoggerService, Logged {
  readonly lines: string[] = [];
  readonly errors: string[] = [];

  log(message: unknown): void {
    this.lines.push(String(message));
  }

  warn(message: unknown): void {
    this.log(message);
  }

  error(message: unknown): void {
    this.errors.push(String(message));
  }
}

/** What is logged while something is done. */
export async function linesOf(work: () => Promise<unknown>): Promise<Logged> {
  const kept = new KeptLog();
  Logger.overrideLogger(kept);
  try {
    await work();
    return kept;
  } finally {
    Logger.overrideLogger(false);
  }
}
