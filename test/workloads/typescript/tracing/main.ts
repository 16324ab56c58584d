/*
 * An application whose execution is traced. What the tests ask of it beside its routes are orders: `POST /<name>`.
 */
import { executionAsyncId } from 'node:async_hooks';
import { once } from 'node:events';
import { get } from 'node:http';
import { PassThrough } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { announce, pprofOptions, serve } from '../../apps/serve.cjs';
import { CatsController, catOrders } from './cats.js';
import { chaos, surviveChaos } from './chaos.js';
import { compute } from './clock.js';
import { kitchen, KitchenController, library } from './kitchen.js';

let ticks = 0;
let interval: NodeJS.Timeout | undefined;
const workers: Worker[] = [];

function tick(): void {
  ticks++;
  compute(2);
}

/** What a process has open, as far as a trace could leave something behind. */
function open(): Record<string, unknown> {
  const { ExternalContextCreator } = nest;
  const creator = app.get(ExternalContextCreator) as object as Record<string, object>;
  const methods = {
    guardsConsumer: 'tryActivate',
    interceptorsConsumer: 'intercept',
    pipesConsumer: 'applyPipes',
  };
  return {
    resources: process.getActiveResourcesInfo().sort(),
    methods: Object.entries(methods).map(([consumer, method]) =>
      String((creator[consumer] as unknown as Record<string, unknown>)[method]),
    ),
    isEnabled: kitchen.tracer!.isEnabled(),
  };
}

const nest = (await import('@nestjs/core')) as unknown as { ExternalContextCreator: never };

const orders = {
  ...catOrders,
  startTicking(): void {
    ticks = 0;
    interval = setInterval(tick, 20);
  },
  stopTicking(): { ticks: number } {
    clearInterval(interval);
    return { ticks };
  },
  async startWorkers(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      const worker = new Worker('setInterval(() => {}, 1000)', { eval: true, name: `miller ${i}` });
      workers.push(worker);
      await once(worker, 'online');
    }
  },
  async stopWorkers(): Promise<void> {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  },
  /** Only while a hook is on is the reaction of each promise an execution of its own. */
  async isHooked(): Promise<{ is: boolean }> {
    await Promise.resolve();
    const first = executionAsyncId();
    await Promise.resolve();
    return { is: executionAsyncId() !== first };
  },
  open,
  /** A trace in code, of a request that it makes itself. */
  async inCode(): Promise<{ trace: string; enabled: boolean[] }> {
    const tracer = kitchen.tracer!;
    const stream = new PassThrough();
    const enabled = [tracer.isEnabled()];
    tracer.start(stream);
    enabled.push(tracer.isEnabled());
    const url = await app.getUrl();
    await new Promise((resolve) => get(`${url}/cats/1`, (answer) => answer.resume().once('end', resolve)));
    await tracer.stop();
    enabled.push(tracer.isEnabled());
    stream.end();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return { trace: Buffer.concat(chunks).toString('base64'), enabled };
  },
  /** A trace of whatever. */
  async chaos(): Promise<{ trace: string }> {
    const stream = new PassThrough();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    const late = chaos(kitchen.tracer!); // has begun before
    kitchen.tracer!.start(stream);
    await chaos(kitchen.tracer!);
    await kitchen.tracer!.stop();
    await late;
    return { trace: Buffer.concat(chunks).toString('base64') };
  },
  /** What a second trace is refused with. */
  async busy(): Promise<{ message: string }> {
    const tracer = kitchen.tracer!;
    const sink = new PassThrough().resume();
    tracer.start(sink);
    try {
      tracer.start(new PassThrough());
      return { message: 'none' };
    } catch (error) {
      return { message: (error as Error).message };
    } finally {
      await tracer.stop();
    }
  },
};

surviveChaos();

class TracingModule {}

const app = await serve(library, orders, pprofOptions(), {
  imports: [{ module: TracingModule, controllers: [CatsController, KitchenController] }],
});
kitchen.tracer = app.get(library.Tracer);
await announce(app);
