/*
 * Requests that wait for known times, of which the service keeps count itself.
 */
import { pbkdf2 } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  type CallHandler,
  type CanActivate,
  Controller,
  Get,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  Query,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { finalize, type Observable } from 'rxjs';
import { compute, Stopwatch } from './clock.js';

export const watch = new Stopwatch();

/** Answers each word after 50 ms. */
const slow = createServer((socket) => {
  socket.on('data', () => setTimeout(() => socket.write('.'), 50)).on('error', () => {});
});
await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
slow.unref();

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    const { port } = slow.address() as { port: number };
    const socket = connect(port, '127.0.0.1').once('error', reject);
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.write('?');
  });
}

class CatsGuard implements CanActivate {
  async canActivate(): Promise<boolean> {
    await sleep(5);
    return true;
  }
}

class CatsInterceptor implements NestInterceptor {
  intercept(_context: unknown, next: CallHandler): Observable<unknown> {
    const begin = performance.now();
    return next.handle().pipe(finalize(() => watch.note('interceptor', performance.now() - begin)));
  }
}

/** Opens for all who wait, when a request says so. */
let open: () => void;
let opened: Promise<void>;
function close(): void {
  opened = new Promise((resolve) => (open = resolve));
}
close();
let hanging = 0;
let waiting = 0;

@Controller('cats')
@UseGuards(new CatsGuard())
@UseInterceptors(new CatsInterceptor())
export class CatsController {
  @Get(':id')
  findOne(@Param('id', ParseIntPipe) id: number): Promise<object> {
    return watch.timed('handler', async () => {
      await watch.timed('socket', ask);
      await watch.timed('timer', () => sleep(30));
      await watch.timed('compute', () => compute(20));
      return { id };
    });
  }

  @Get(':id/password')
  async password(@Param('id') id: string, @Query('rounds', ParseIntPipe) rounds: number): Promise<string> {
    const derive = promisify(pbkdf2);
    return watch.timed('pool', async () => (await derive('cat', id, rounds, 32, 'sha512')).toString('hex'));
  }

  @Get(':id/nap')
  async nap(): Promise<string> {
    waiting++;
    await watch.timed('promise', () => opened);
    return 'awake';
  }

  @Get(':id/wake')
  wake(): string {
    compute(50);
    open();
    close();
    waiting = 0;
    return 'woken';
  }

  @Get(':id/hang')
  hang(): Promise<never> {
    hanging++;
    return new Promise(() => {});
  }
}

export const catOrders = {
  measured: (): Record<string, number[]> => watch.take(),
  waiting: (): { waiting: number; hanging: number } => ({ waiting, hanging }),
};
