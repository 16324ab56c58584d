import { Get, Injectable, Post, Req } from '@nestjs/common';
import { symbolName } from '../../format/names.js';
import { SymbolTable } from '../../profiling/frames/symbol-table.js';
import { HoldMeter, runSliced } from '../../profiling/loop.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { type PprofReply, text } from '../reply.js';
import { pprofRequest } from '../request.js';

/** Returns function names for addresses, which are joined by `+` in the raw query or in the body of a POST. */
@Injectable()
abstract class Symbols {
  constructor(private readonly symbols: SymbolTable) {}

  @Get()
  async serve(@Req() incoming: object): Promise<PprofReply> {
    const { method, query, body } = pprofRequest(incoming);
    const words = method === 'POST' ? Buffer.from(await body()).toString('latin1') : query;
    const reply = symbolText(words, (address) => this.symbols.nameOf(address));
    return text(await runSliced(reply, new HoldMeter()));
  }

  /** Not `@All()`: for that, Nest adds methods to Fastify that the application might not route. */
  @Post()
  post(@Req() incoming: object): Promise<PprofReply> {
    return this.serve(incoming);
  }
}

@PprofEndpoint({
  name: 'symbol',
  description: 'Function names by address, for clients that read profiles as text.',
  methods: ['GET', 'POST'],
})
export class SymbolEndpoint extends Symbols {}

/** Clients use this one if the path of a profile does not contain `/debug/pprof/`. */
@PprofEndpoint({ name: 'symbolz', description: '', methods: ['GET', 'POST'] })
export class SymbolzEndpoint extends Symbols {}

/** The size of Go's read buffer. */
const LONGEST_WORD = 4096;

/** Characters between two yields. */
const SLICE = 8192;

/**
 * One line for each known address.
 *
 * @param words one character per byte, since Go counts bytes
 */
export function* symbolText(
  words: string,
  nameOf: (address: number) => string | undefined,
): Generator<void, Buffer> {
  const pieces: Buffer[] = [];
  let piece = 'num_symbols: 1\n'; // clients only check that it is not 0
  for (let begin = 0, sliceEnd = SLICE; begin <= words.length;) {
    if (begin >= sliceEnd) {
      pieces.push(Buffer.from(piece));
      piece = '';
      yield;
      sliceEnd = begin + SLICE;
    }
    const plus = words.indexOf('+', begin);
    const word = words.slice(begin, plus < 0 ? undefined : plus);
    if (word.length >= LONGEST_WORD) {
      piece += 'reading request: bufio: buffer full\n';
      break;
    }
    const address = addressIn(word);
    const name = nameOf(address);
    if (name !== undefined) piece += `0x${address.toString(16)} ${symbolName(name)}\n`;
    begin += word.length + 1;
  }
  return Buffer.concat([...pieces, Buffer.from(piece)]);
}

const NUMBER = /^(?:0[xX](_?[0-9a-fA-F])+|0[bB](_?[01])+|0[oO]?(_?[0-7])+|[1-9](_?[0-9])*)$/;

/** Go's `ParseUint(word, 0, 64)`; 0 for invalid input and for numbers from 2^53 on, which are never addresses here. */
function addressIn(word: string): number {
  if (!NUMBER.test(word)) return 0;
  const digits = word.replaceAll('_', '');
  const address = Number(digits.replace(/^0(?=[0-7])/, '0o'));
  return Number.isSafeInteger(address) ? address : 0;
}
