import { Module } from '@nestjs/common';
import { PprofModule } from 'nestjs-pprof';
import { CaptureController } from './capture.controller.js';
import { Catalogue } from './catalogue.js';
import { RecommendationsCache } from './recommendations-cache.js';
import { SearchService } from './search.service.js';
import { ShopController } from './shop.controller.js';
import { UptimeController } from './uptime.controller.js';

@Module({
  imports: [PprofModule.forRoot()],
  controllers: [ShopController, CaptureController, UptimeController],
  providers: [Catalogue, RecommendationsCache, SearchService],
})
export class AppModule {}
