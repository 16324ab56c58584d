import { Controller, Get } from '@nestjs/common';
import type { Order } from './database-pool.js';

const CUSTOMERS = 16_000;
const ORDERS: readonly Order[] = Array.from({ length: CUSTOMERS }, (_, id) => ({
  id,
  customer: (id * 7919) % CUSTOMERS,
  cents: id,
}));

@Controller('reports')
export class ReportsController {
  /** Is slow: it looks at all orders again for each customer. */
  @Get('best-customer')
  bestCustomer(): { customer: number; cents: number } {
    let best = { customer: 0, cents: 0 };
    for (let customer = 0; customer < CUSTOMERS; customer++) {
      let cents = 0;
      for (const order of ORDERS) if (order.customer === customer) cents += order.cents;
      if (cents > best.cents) best = { customer, cents };
    }
    return best;
  }
}
