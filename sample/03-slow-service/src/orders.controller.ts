import { Controller, Get, HttpCode, Param, ParseIntPipe, Post, Query } from '@nestjs/common';
import { DatabasePool, type Order } from './database-pool.js';
import { Mailer } from './mailer.js';
import { PaymentsService } from './payments.service.js';

@Controller('orders')
export class OrdersController {
  private readonly confirmed = new Set<number>();

  constructor(
    private readonly database: DatabasePool,
    private readonly payments: PaymentsService,
    private readonly mailer: Mailer,
  ) {}

  @Get(':id')
  findOne(@Param('id', ParseIntPipe) id: number): Promise<Order> {
    return this.database.use((connection) => connection.order(id));
  }

  @Post(':id/payment')
  async pay(@Param('id', ParseIntPipe) id: number): Promise<{ balance: number }> {
    return { balance: await this.payments.pay(id * 100) };
  }

  /** The customer does not wait for the mail. */
  @Post(':id/confirmation')
  @HttpCode(202)
  confirm(@Param('id', ParseIntPipe) id: number, @Query('to') address: string): void {
    void this.sendConfirmation(id, address);
  }

  private async sendConfirmation(id: number, address: string): Promise<void> {
    await this.mailer.send(address);
    this.confirmed.add(id);
  }
}
