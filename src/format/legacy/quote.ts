/** Escapes that have a letter of their own. */
const LETTERS: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** What Go's `strconv.Quote` does not print as it is. */
const ESCAPED = /["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

/** A string as Go's `%q` prints it. */
export function quoted(text: string): string {
  return `"${text.replace(ESCAPED, escaped)}"`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = (digits: number): string => code.toString(16).padStart(digits, '0');
  if (LETTERS[character]) return LETTERS[character];
  if (code < 0x80) return `\\x${hex(2)}`;
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'; // half a character: no UTF-8 has it
  return code < 0x1_0000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
}
