/** What Go's reader takes for one word. */
const WORD_LIMIT = 4096;

const NUMBER = /^(?:0[xX](_?[0-9a-fA-F])+|0[bB](_?[01])+|0[oO]?(_?[0-7])+|[1-9](_?[0-9])*)$/;

/** Words between two yields. */
const SLICE = 500;

/**
 * The answer of Go's `symbol`: a line for each of the addresses that is known, joined by `+`; others are left out.
 *
 * @param nameOf the name of the function at an address
 */
export function* symbolText(
  words: string,
  nameOf: (address: number) => string | undefined,
): Generator<void, string> {
  let text = 'num_symbols: 1\n'; // of which clients heed only that it is not 0
  for (let begin = 0, count = 1; begin <= words.length; count++) {
    if (count % SLICE === 0) yield;
    const plus = words.indexOf('+', begin);
    const word = words.slice(begin, plus < 0 ? undefined : plus);
    if (word.length >= WORD_LIMIT) return `${text}reading request: bufio: buffer full\n`;
    const address = addressIn(word);
    const name = address === undefined ? undefined : nameOf(address);
    if (name !== undefined) text += `0x${address!.toString(16)} ${shownName(name)}\n`;
    begin += word.length + 1;
  }
  return text;
}

/** Go's `ParseUint(word, 0, 64)`; ours are below 2^53. */
function addressIn(word: string): number | undefined {
  if (!NUMBER.test(word)) return undefined;
  const digits = word.replaceAll('_', '');
  const address = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return address > 0 && Number.isSafeInteger(address) ? address : undefined;
}

/** A name may hold any letter. One all in `<>` clients would take for C++'s template arguments, and leave nothing of it. */
function shownName(name: string): string {
  // oxlint-disable-next-line no-control-regex
  return name.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/^<(.*)>$/, '($1)');
}
