import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { DatabaseModule } from './database.module.js';
import { JobQueue, JobsProfile } from './job-queue.js';
import { OrdersController } from './orders.controller.js';

@Module({
  imports: [PprofModule.forRoot(), DatabaseModule],
  controllers: [OrdersController],
  providers: [JobQueue, JobsProfile],
})
export class AppModule {}
