import { Injectable, Logger } from '@nestjs/common';
import { Observable, Subject } from 'rxjs';

/** What operators are told of a capture when it has ended. */
export interface CaptureEvent {
  /** Name of the profile. */
  readonly profile: string;
  /** Who asked: the address of the peer, or `code`. */
  readonly peer: string;
  /** From its begin to its answer. */
  readonly seconds: number;
  /** Size of the answer; undefined for a capture in code, which is encoded when the caller wants to. */
  readonly bytes: number | undefined;
  /** The longest time that it held the event loop, in ms. */
  readonly longestHoldMs: number;
}

/** Tells operators of every capture: a line in the log and an event. */
@Injectable()
export class CaptureLog {
  private readonly logger = new Logger('PprofModule');
  private readonly subject = new Subject<CaptureEvent>();

  readonly events: Observable<CaptureEvent> = this.subject.asObservable();

  /** @param since `performance.now()` at the begin of the capture */
  report(capture: Omit<CaptureEvent, 'seconds'>, since: number): void {
    const event = { ...capture, seconds: (performance.now() - since) / 1000 };
    this.logger.log(lineOf(event));
    this.subject.next(event);
  }
}

function lineOf({ profile, peer, seconds, bytes, longestHoldMs }: CaptureEvent): string {
  const size = bytes === undefined ? '' : ` ${bytes} bytes,`;
  return `${profile} for ${peer}: ${seconds.toFixed(3)} s,${size} held the event loop for ${longestHoldMs.toFixed(1)} ms at most`;
}
