import { Get, Post, Req } from '@nestjs/common';
import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import type { PprofAnswer } from '../answer.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { pprofRequest } from '../exchange.js';
import { PprofHandler } from '../pprof-handler.js';
import { bodyOf } from '../request-body.js';

@PprofEndpoint({
  name: 'symbol',
  description: DESCRIPTIONS.symbol,
  methods: ['GET', 'POST'],
  rawBody: true,
})
export class SymbolController {
  constructor(private readonly pprof: PprofHandler) {}

  @Get()
  symbols(@Req() request: object): Promise<PprofAnswer> {
    return this.pprof.serve('symbol', pprofRequest(request));
  }

  @Post()
  async symbolsOfBody(@Req() request: object): Promise<PprofAnswer> {
    const body = await bodyOf(request);
    return this.pprof.serve('symbol', { ...pprofRequest(request), body });
  }
}
