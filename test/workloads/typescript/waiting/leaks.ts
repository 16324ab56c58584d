/*
 * Requests that never end. The tests look for the comments that begin with "leaks": what waits there can never go on; what waits
 * at those that begin with "held" can.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';

/** How many have begun, by their route. */
let begun: Record<string, number> = {};
const held: unknown[] = [];

function begins(route: string): void {
  begun[route] = (begun[route] ?? 0) + 1;
}

class Queue {
  /** Nobody takes from it. */
  push(): Promise<void> {
    return new Promise(() => {});
  }
}

async function deep(): Promise<string> {
  await new Queue().push(); // leaks: deep
  return 'never';
}

/** Forgets to resolve it. */
function forgetful(): Promise<void> {
  // oxlint-disable-next-line no-async-promise-executor
  return new Promise(async (resolve, reject /* leaks: forgetful */) => {
    await sleep(1);
    if (begun.forgetful === 0) resolve();
    if (begun.forgetful === -1) reject(new Error('never'));
  });
}

@Controller('leaks')
export class LeaksController {
  @Get('lost')
  async lost(): Promise<void> {
    begins('lost');
    await new Promise(() => {}); // leaks: lost
  }

  @Get('deep')
  async deep(): Promise<object> {
    begins('deep');
    const found = await deep();
    return { found };
  }

  @Get('event')
  async event(): Promise<void> {
    begins('event');
    await once(new EventEmitter(), 'never'); // leaks: event
  }

  @Get('forgetful')
  async forgetful(): Promise<void> {
    begins('forgetful');
    await forgetful();
  }

  @Get('all')
  async all(): Promise<void> {
    begins('all');
    await Promise.all([new Promise(() => {}), sleep(1)]); // leaks: all
  }

  @Get('held')
  async held(): Promise<void> {
    begins('held');
    await new Promise((resolve) => held.push(resolve)); // held
  }

  /** The losing promise is lost, and nobody minds. */
  @Get('race')
  async race(): Promise<string> {
    begins('race');
    await Promise.race([new Promise(() => {}), sleep(1)]); // held
    return 'won';
  }

  /** A timer that is never called, of whom nobody awaits the promise any more. */
  @Get('timeout')
  async timeout(): Promise<string> {
    begins('timeout');
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise((resolve) => {
      timer = setTimeout(resolve, 60_000);
    });
    await Promise.race([sleep(1), tooLate]); // held
    clearTimeout(timer);
    return 'in time';
  }
}

export const leakOrders = {
  begun: (): typeof begun => begun,
  forget(): void {
    begun = {};
  },
};
