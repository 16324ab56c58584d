import { Get, Req } from '@nestjs/common';
import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';

@PprofEndpoint({ name: 'threadcreate', description: DESCRIPTIONS.threadcreate })
export class ThreadCreateController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  threadcreate(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('threadcreate', pprofRequest(request));
  }
}
