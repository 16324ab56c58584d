import { setImmediate as turn } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { createServer } from '../support/application.mjs';
import { serveCommands } from '../support/child.mjs';

/** None: without the module. */
const OPTIONS = { disabled: { enabled: false }, unsampled: { memProfileRate: 0 }, off: {}, switched: {} };

/** Four functions deep, with three awaits of other work. */
class OrdersController {
  async findOne() {
    const order = await this.load();
    const [items, customer] = await Promise.all([this.query('items'), this.query('customer')]);
    return { ...order, items, customer };
  }

  async load() {
    return { id: 1, ...(await this.query('order')) };
  }

  async query(name) {
    return { name, rows: await this.send() };
  }

  async send() {
    await turn();
    return [1, 2, 3];
  }
}
Get('orders')(
  OrdersController.prototype,
  'findOne',
  Object.getOwnPropertyDescriptor(OrdersController.prototype, 'findOne'),
);
Controller()(OrdersController);

await serveCommands(async ({ name, adapter }) => {
  const library = OPTIONS[name] && (await import('../../dist/esm/index.js'));
  const app = await createServer(adapter, [
    { module: class OrdersModule {}, controllers: [OrdersController] },
    ...(library ? [library.PprofModule.forRoot(OPTIONS[name])] : []),
  ]);
  const profiler = library && app.get(library.ProfilerService, { strict: false });
  const url = `${await app.getUrl()}/orders`;
  let before;

  return {
    url: () => url,
    enter([goroutine, block]) {
      profiler.setGoroutineProfileRate(goroutine);
      profiler.setBlockProfileRate(block);
    },
    begin() {
      globalThis.gc({ type: 'minor' }); // of what came between two rounds
      before = process.cpuUsage();
    },
    /** CPU time of the whole process since `begin`, with the collection of the young garbage it left; in microseconds. */
    end() {
      globalThis.gc({ type: 'minor' });
      const { user, system } = process.cpuUsage(before);
      return user + system;
    },
  };
});
