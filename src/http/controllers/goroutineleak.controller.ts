import { Get, Req } from '@nestjs/common';
import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';

@PprofEndpoint({ name: 'goroutineleak', description: DESCRIPTIONS.goroutineleak })
export class GoroutineLeakController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  goroutineleak(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('goroutineleak', pprofRequest(request));
  }
}
