import {
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  Get,
  type NestInterceptor,
  Post,
  UnauthorizedException,
} from '@nestjs/common';
import { finalize } from 'rxjs';
import { PprofEndpoint } from '../../src/index.js';
import type { Answer } from './http.js';

interface WithHeaders {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** A guard that admits requests with one key in `x-key`. */
export class KeyGuard implements CanActivate {
  constructor(private readonly key: string) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<WithHeaders>();
    if (headers['x-key'] !== this.key) throw new UnauthorizedException();
    return true;
  }
}

export const SESAME = { 'x-key': 'sesame' };

/** An endpoint of the application's own. */
@PprofEndpoint({ name: 'uptime', description: 'Seconds since the start.', methods: ['GET', 'POST'] })
export class UptimeController {
  @Get()
  read(): string {
    return 'up\n';
  }

  @Post()
  reset(): string {
    return 'reset\n';
  }
}

/** Remembers which guards and interceptors ran, in order. */
export class Order {
  readonly lines: string[] = [];

  guard(name: string, verdict = true): CanActivate {
    return {
      canActivate: () => {
        this.lines.push(name);
        return verdict;
      },
    };
  }

  interceptor(name: string): NestInterceptor {
    return {
      intercept: (_: ExecutionContext, next: CallHandler) => {
        this.lines.push(`${name} begins`);
        return next.handle().pipe(finalize(() => this.lines.push(`${name} ends`)));
      },
    };
  }
}

/** A response of one line. */
export const line = (status: number, text: string): Partial<Answer> => ({ status, text: `${text}\n` });
