import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { DatabasePool } from './database-pool.js';
import { Mailer } from './mailer.js';
import { OrdersController } from './orders.controller.js';
import { PaymentsService } from './payments.service.js';
import { ReportsController } from './reports.controller.js';

@Module({
  imports: [PprofModule.forRoot({ blockProfileRate: 1, goroutineProfileRate: 1, mutexProfileThreshold: 50 })],
  controllers: [OrdersController, ReportsController],
  providers: [DatabasePool, Mailer, PaymentsService],
})
export class AppModule {}
