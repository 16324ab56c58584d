/** How names are written, so that readers of a profile show each on one row and whole. */

/** What could end a row, or move the cursor of a terminal. */
// oxlint-disable-next-line no-control-regex -- they are what it finds; \p{Cc} takes V8 milliseconds to compile
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Characters that a text shows of a name, a file or labels: clients reject a line above 64 KiB. */
const LONGEST = 4000;

/** A name on one row: line breaks and other control characters become spaces. */
export function onOneLine(name: string): string {
  return name.replace(CONTROLS, ' ');
}

/** A name as the text of a profile shows it. */
export function textName(name: string): string {
  return onOneLine(name.slice(0, LONGEST));
}

/** By these `go tool pprof` takes a name for C++'s, unless it has one of the others: then it is Java's or Go's. */
const LIKE_CPP = /[<>[\]]|::/;
const NOT_LIKE_CPP = /\.<|\]\)\./;

/** Frames that `go tool pprof` drops from a text, with what they call: those of C's allocators, of Go's and of locks. */
const DROPPED =
  /^(?:c?free|(?:[cm]|re|p?v)alloc|memalign|allocate|tc_.*|malloc_.*|operator new.*|_[RZ].*|___Z.*|_GLOBAL_.*|runtime\..*|(?:Reader|Slow)?Unlock.*)$/;

/**
 * A name as `symbol` gives it. Of a name that looks like C++'s, `go tool pprof` removes all that is in `()` and `<>`, which
 * may be the whole name: such a name gets other brackets. One that it drops begins with a zero-width space.
 */
export function symbolName(name: string): string {
  const line = textName(name);
  if (DROPPED.test(line.split('(', 1)[0]!)) return `\u200b${line}`;
  if (!LIKE_CPP.test(line) || NOT_LIKE_CPP.test(line)) return line;
  if (!hasPair(line, '(', ')') && !hasPair(line, '<', '>')) return line;
  return inPairs(line).replace(/<|>|\[|\]|::/g, (like) => INSTEAD[like]!);
}

const INSTEAD: Readonly<Record<string, string>> = { '<': '‹', '>': '›', '[': '(', ']': ')', '::': ':' };

/** With parentheses for pairs of angle brackets, inner ones first. */
function inPairs(name: string): string {
  const replaced = name.replace(/<([^<>]*)>/g, '($1)');
  return replaced === name ? name : inPairs(replaced);
}

function hasPair(text: string, opening: string, closing: string): boolean {
  const start = text.indexOf(opening);
  return start >= 0 && start < text.lastIndexOf(closing);
}
