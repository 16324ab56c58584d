import { DESCRIPTIONS } from '../../profiling/descriptions.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { SymbolController } from './symbol.controller.js';

/** What clients ask where the path of a profile has no `/debug/pprof/` in it. */
@PprofEndpoint({
  name: 'symbolz',
  description: DESCRIPTIONS.symbol,
  methods: ['GET', 'POST'],
  rawBody: true,
})
export class SymbolzController extends SymbolController {}
