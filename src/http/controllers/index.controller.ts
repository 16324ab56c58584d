import { Get, Req } from '@nestjs/common';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';

@PprofEndpoint({ name: '', description: 'This page.' })
export class IndexController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  index(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('', pprofRequest(request));
  }
}
