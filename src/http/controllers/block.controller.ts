import { Get, Req } from '@nestjs/common';
import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';

@PprofEndpoint({ name: 'block', description: DESCRIPTIONS.block })
export class BlockController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  block(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('block', pprofRequest(request));
  }
}
