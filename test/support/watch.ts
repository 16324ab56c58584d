import { EventEmitter, once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { CallHandler, NestInterceptor } from '@nestjs/common';
import { finalize, type Observable } from 'rxjs';

/** Tells when captures begin and end, as any interceptor of the options can. */
export class Watch implements NestInterceptor {
  private readonly events = new EventEmitter();

  intercept(_: unknown, next: CallHandler): Observable<unknown> {
    this.events.emit('begin');
    return next.handle().pipe(finalize(() => this.events.emit('end')));
  }

  /** The next capture is under way. */
  async begun(): Promise<void> {
    await once(this.events, 'begin');
    await setImmediate();
  }

  /** The next capture is over. */
  async ended(): Promise<void> {
    await once(this.events, 'end');
  }
}
