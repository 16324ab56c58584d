/*
 * An application that says itself what it does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, Injectable } from '@nestjs/common';
import type { Tracer } from 'nestjs-pprof';
import { watch } from './cats.js';
import { compute } from './clock.js';

/** What is used of the library; the app is built apart from its types. */
interface Library {
  readonly Tracer: typeof Tracer;
  TraceTask(name?: string): MethodDecorator;
  TraceRegion(name?: string): MethodDecorator;
}
const library = (await import('nestjs-pprof' as string)) as unknown as Library;
const { TraceRegion, TraceTask } = library;

/** Injected by hand: decorators' types are not kept. */
export const kitchen: { tracer: Tracer | undefined } = { tracer: undefined };

@Injectable()
export class Barista {
  @TraceTask('make cappuccino')
  async cappuccino(order: string): Promise<string> {
    const tracer = kitchen.tracer!;
    tracer.log('order', order);
    await tracer.withRegion('steam milk', () => watch.timed('steam milk', () => sleep(20)));
    const extract = tracer.startRegion('extract coffee');
    await watch.timed('extract coffee', () => this.extract());
    extract.end();
    return this.pour(order);
  }

  @TraceRegion()
  pour(order: string): string {
    compute(3);
    return `cappuccino for ${order}`;
  }

  @TraceRegion('count cups')
  *cups(count: number): Generator<number, string, undefined> {
    for (let i = 0; i < count; i++) yield i;
    return 'all';
  }

  @TraceRegion('serve cups')
  async *served(count: number): AsyncGenerator<number, void, undefined> {
    for (let i = 0; i < count; i++) {
      await sleep(2);
      yield i;
    }
  }

  private async extract(): Promise<void> {
    await sleep(10);
    compute(2);
  }
}

@Controller('kitchen')
export class KitchenController {
  private readonly barista = new Barista();

  @Get('cappuccino')
  async cappuccino(): Promise<string> {
    return this.barista.cappuccino('Ada');
  }

  @Get('cups')
  async cups(): Promise<number[]> {
    const seen = [...this.barista.cups(3)];
    for await (const cup of this.barista.served(3)) seen.push(cup);
    return seen;
  }

  @Get('by-hand')
  async byHand(): Promise<string> {
    const task = kitchen.tracer!.newTask('wash up');
    kitchen.tracer!.log('plates', '7');
    await watch.timed('wash up', () => sleep(15));
    task.end();
    return 'clean';
  }
}

export { library };
