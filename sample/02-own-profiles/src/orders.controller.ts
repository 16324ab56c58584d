import { Controller, Get, NotFoundException, Param, ParseIntPipe, Post } from '@nestjs/common';
import { DatabasePool } from './database-pool.js';
import { JobQueue } from './job-queue.js';

interface Order {
  readonly id: number;
  readonly item: string;
}

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly pool: DatabasePool,
    private readonly jobs: JobQueue,
  ) {}

  @Get()
  async list(): Promise<Order[]> {
    const connection = await this.pool.take();
    try {
      const orders = await Promise.all([1, 2, 3].map((id) => connection.order(id)));
      return orders.filter((order) => order !== undefined);
    } finally {
      this.pool.giveBack(connection);
    }
  }

  /** Leaks: where there is no such order the connection is not given back. */
  @Get(':id')
  async one(@Param('id', ParseIntPipe) id: number): Promise<Order> {
    const connection = await this.pool.take();
    const order = await connection.order(id);
    if (!order) throw new NotFoundException(`there is no order ${id}`);
    this.pool.giveBack(connection);
    return order;
  }

  @Post(':id/reminders')
  remind(@Param('id', ParseIntPipe) id: number): { waiting: number } {
    this.jobs.add({ kind: 'mail', order: id });
    if (id === 1) this.jobs.add({ kind: 'invoice', order: id });
    return { waiting: this.jobs.waiting.length };
  }
}
