// The real @nestjs/throttler as a global guard of two applications: one request a minute. The second one leaves our endpoints out.
import { APP_GUARD } from '@nestjs/core';
import { SkipThrottle, ThrottlerGuard, ThrottlerModule } from '@nestjs/throttler';
import * as library from 'nestjs-pprof';
import { announce, serve } from './serve.cjs';

const throttled = (decorators) =>
  serve(
    library,
    {},
    { decorators },
    {
      imports: [ThrottlerModule.forRoot([{ ttl: 60_000, limit: 1 }])],
      providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
    },
  );

await announce(await throttled([]), await throttled([SkipThrottle()]));
