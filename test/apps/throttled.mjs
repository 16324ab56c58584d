// The real @nestjs/throttler as a global guard: one request a minute. SKIP=1: not for our endpoints.
import { APP_GUARD } from '@nestjs/core';
import { SkipThrottle, ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

await announce(
  await serve(
    library,
    {},
    { decorators: process.env.SKIP === '1' ? [SkipThrottle()] : [] },
    {
      imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }])],
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    },
  ),
);
