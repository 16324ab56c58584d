import { Controller, Get, NotFoundException, Param, ParseIntPipe, Post } from '@nestjs/common';
import { DatabasePool, type Order } from './database-pool.js';
import { JobQueue } from './job-queue.js';

@Controller('orders')
export class OrdersController {
  constructor(
    private readonly pool: DatabasePool,
    private readonly jobs: JobQueue,
  ) {}

  @Get()
  async findAll(): Promise<Order[]> {
    const connection = await this.pool.open();
    try {
      const orders = await Promise.all([1, 2, 3].map((id) => connection.order(id)));
      return orders.filter((order) => order !== undefined);
    } finally {
      this.pool.close(connection);
    }
  }

  /** Leaks: if the order does not exist, the connection stays open. */
  @Get(':id')
  async findOne(@Param('id', ParseIntPipe) id: number): Promise<Order> {
    const connection = await this.pool.open();
    const order = await connection.order(id);
    if (!order) throw new NotFoundException(`order ${id} does not exist`);
    this.pool.close(connection);
    return order;
  }

  @Post(':id/reminders')
  remind(): void {
    this.jobs.add('mail');
  }
}
