import { Get, Req } from '@nestjs/common';
import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';

@PprofEndpoint({ name: 'cmdline', description: DESCRIPTIONS.cmdline })
export class CmdlineController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  cmdline(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('cmdline', pprofRequest(request));
  }
}
