/*
 * Requests that hang until they are released. The tests look for the comments that begin with "waits": that is where, and with
 * "asks": that is who awaits it.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, Param } from '@nestjs/common';
import { gate } from './gate.js';
import { silent } from './servers.js';

/** How many wait, by what for. */
const waiting = { promise: 0, socket: 0, timer: 0, late: 0, 'no await': 0 };
let home = gate();
let alarm = new AbortController();

class Shelter {
  async nameOf(id: string): Promise<string> {
    waiting.promise++;
    await home.opened; // waits: promise
    return `cat ${id}`;
  }

  async toysOf(id: string): Promise<string> {
    waiting.socket++;
    await new Promise((resolve) => get({ port: silent.port, path: `/${id}` }).once('error', resolve)); // waits: socket
    return 'none';
  }

  async nap(): Promise<string> {
    waiting.timer++;
    try {
      await sleep(600_000, undefined, { signal: alarm.signal }); // waits: timer
      return 'asleep';
    } catch {
      return 'awake';
    }
  }

  /** It is not called any more when it waits: whoever awaits it is known to V8 alone. */
  async keeperOf(id: string): Promise<string> {
    await Promise.resolve();
    waiting.late++;
    await home.opened; // waits: late
    return `keeper of ${id}`;
  }
}

@Controller('cats')
export class CatsController {
  private readonly shelter = new Shelter();

  @Get(':id')
  async findOne(@Param('id') id: string): Promise<object> {
    return { name: await this.shelter.nameOf(id) }; // asks: promise
  }

  @Get(':id/toys')
  async toys(@Param('id') id: string): Promise<object> {
    return { toys: await this.shelter.toysOf(id) }; // asks: socket
  }

  @Get(':id/nap')
  async nap(): Promise<object> {
    return { state: await this.shelter.nap() }; // asks: timer
  }

  @Get(':id/keeper')
  async keeper(@Param('id') id: string): Promise<object> {
    return { keeper: await this.shelter.keeperOf(id) }; // asks: late
  }

  /** Has no `await` of its own. */
  @Get(':id/home')
  goHome(): Promise<object> {
    waiting['no await']++;
    return home.opened.then(() => ({ state: 'home' })); // waits: no await
  }

  @Get(':id/quick')
  async quick(@Param('id') id: string): Promise<object> {
    await sleep(1);
    return { id: await Promise.resolve(id) };
  }
}

export const catOrders = {
  waiting: (): typeof waiting => waiting,
  release(): void {
    home.open();
    home = gate();
    silent.hangUp();
    alarm.abort();
    alarm = new AbortController();
    for (const name of Object.keys(waiting) as (keyof typeof waiting)[]) waiting[name] = 0;
  },
};
