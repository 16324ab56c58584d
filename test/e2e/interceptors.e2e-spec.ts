import {
  type CallHandler,
  type ExecutionContext,
  HttpException,
  Injectable,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Observable, throwError } from 'rxjs';
import { ADAPTERS, closeApps, startApp } from '../support/app.js';
import { line, Order } from '../support/application-parts.js';
import { request } from '../support/http.js';

@Injectable()
class Counter {
  readonly lines: string[] = [];
}

@Injectable()
class CountingInterceptor implements NestInterceptor {
  constructor(private readonly counter: Counter) {}

  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.counter.lines.push('counted');
    return next.handle();
  }
}

const COUNTING: Type<NestInterceptor>[] = [CountingInterceptor];

describe.each(ADAPTERS)('the option interceptors on %s', (adapter) => {
  afterEach(closeApps);

  it('takes classes, whose instances Nest finds anywhere in the application', async () => {
    const { app, base } = await startApp(adapter, {
      providers: [Counter, CountingInterceptor],
      pprof: { interceptors: COUNTING },
    });
    await request(`${base}/heap`);
    await request(`${base}/nope`);
    expect(app.get(Counter).lines).toEqual(['counted', 'counted']);
  });

  it('fails the boot if no module provides an interceptor and Nest cannot create it', async () => {
    await expect(startApp(adapter, { pprof: { interceptors: COUNTING } })).rejects.toThrow(
      'PprofModule: the interceptor CountingInterceptor is not a provider of any module; add it to "providers"',
    );
  });

  it('runs interceptors around the whole capture, in order, after the guards', async () => {
    const order = new Order();
    const { base, close, sampling } = await startApp(adapter, {
      pprof: {
        guards: [order.guard('guard')],
        interceptors: [order.interceptor('outer'), order.interceptor('inner')],
      },
    });
    await request(`${base}/heap`);
    const all = ['guard', 'outer begins', 'inner begins', 'inner ends', 'outer ends'];
    expect(order.lines).toEqual(all);

    order.lines.length = 0;
    const begun = sampling.begun();
    const answer = request(`${base}/profile?seconds=30`);
    await begun;
    expect(order.lines).toEqual(all.slice(0, 3));
    await close();
    expect((await answer).status).toBe(200);
    expect(order.lines).toEqual(all);
  });

  it('an interceptor may refuse, and its exception becomes one line of text', async () => {
    const refusing = { intercept: () => throwError(() => new HttpException('not now', 503)) };
    const { base } = await startApp(adapter, { pprof: { interceptors: [refusing] } });
    expect(await request(`${base}/heap`)).toMatchObject(line(503, 'not now'));
  });
});
