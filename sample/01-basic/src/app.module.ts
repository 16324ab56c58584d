import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { CaptureController } from './capture.controller.js';
import { CatsController } from './cats.controller.js';
import { CatsService } from './cats.service.js';
import { UptimeController } from './uptime.controller.js';

@Module({
  imports: [PprofModule.forRoot()],
  controllers: [CatsController, CaptureController, UptimeController],
  providers: [CatsService],
})
export class AppModule {}
