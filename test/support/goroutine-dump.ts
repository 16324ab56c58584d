/**
 * A reader of Go's goroutine dumps that has nothing of ours: a state machine of lines with the grammar of
 * https://github.com/DataDog/gostackparse, and what Go has changed since: labels after the status (1.27), the number
 * of elided frames (1.21).
 */

export interface DumpedFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

export interface Goroutine {
  readonly id: number;
  readonly state: string;
  readonly minutes: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly stack: readonly DumpedFrame[];
  /** Frames that are left out after so many of `stack`. */
  readonly elided?: { readonly after: number; readonly count: number };
  readonly createdBy?: DumpedFrame & { readonly in?: number };
}

/**
 * What comes before the first goroutine is ignored, as with the words of a panic.
 *
 * @throws Error that names the first line that a reader does not expect
 */
export function parseDump(text: string): Goroutine[] {
  const begin = text.search(/^goroutine /m);
  if (begin < 0) return [];
  return text.slice(begin).replace(/\n$/, '').split('\n\n').map(parseGoroutine);
}

/** Text as JSON strings nearly are, as Go prints it. */
const LABEL =
  /(?:"((?:[^"\\\n]|\\.)*)"|([A-Za-z0-9./_]*)): (?:"((?:[^"\\\n]|\\.)*)"|([A-Za-z0-9./_]*))(?:, |$)/g;

const HEADER = /^goroutine (\d+) \[([^,\]]+)(?:, (\d+) minutes)?\](?: \{(.*)\})?:$/;

function parseGoroutine(block: string): Goroutine {
  const lines = block.split('\n');
  const next = (): string => lines.shift() ?? '';
  const [id, state, minutes, labels] = matched(HEADER, next()).slice(1);
  const stack: DumpedFrame[] = [];
  let elided: Goroutine['elided'];
  while (lines.length > 0 && !lines[0]!.startsWith('created by ')) {
    const line = next();
    const left = /^\.\.\.(\d+) frames elided\.\.\.$/.exec(line);
    if (left) elided = { after: stack.length, count: Number(left[1]) };
    else stack.push({ name: calledName(line), ...parsePlace(next()) });
  }
  if (stack.length === 0) throw new Error(`no frame: ${block}`);
  const creator = lines.length > 0 ? creatorOf(next(), next()) : {};
  if (lines.length > 0) throw new Error(`after the creator: ${lines.join('\n')}`);
  return {
    id: Number(id),
    state: state!,
    minutes: Number(minutes ?? 0),
    labels: parseLabels(labels),
    stack,
    ...(elided && { elided }),
    ...creator,
  };
}

/** Pairs of parentheses, none in another; the last are those of the call. */
function calledName(line: string): string {
  let open = -1;
  let isOpen = false;
  for (const [at, char] of [...line].entries()) {
    if (char !== '(' && char !== ')') continue;
    if ((char === '(') === isOpen) throw new Error(`parentheses: ${line}`);
    isOpen = char === '(';
    if (isOpen) open = at;
  }
  if (isOpen || open <= 0) throw new Error(`no call: ${line}`);
  return [...line].slice(0, open).join('');
}

/** A path up to the first colon with a digit after it, which is the line. */
function parsePlace(line: string): Pick<DumpedFrame, 'file' | 'line'> {
  const [file, number] = matched(/^\t(.+?):(\d+)(?: \+0x[0-9a-f]+)?$/, line).slice(1);
  if (/:\d/.test(file!)) throw new Error(`a line in the path: ${line}`);
  return { file: file!, line: Number(number) };
}

function creatorOf(call: string, place: string): Pick<Goroutine, 'createdBy'> {
  const [name, parent] = matched(/^created by (.+?)(?: in goroutine (\d+))?$/, call).slice(1);
  return {
    createdBy: { name: name!, ...parsePlace(place), ...(parent !== undefined && { in: Number(parent) }) },
  };
}

function parseLabels(text = ''): Record<string, string> {
  const found = [...text.matchAll(LABEL)];
  if (found.map(([label]) => label).join('') !== text) throw new Error(`labels: ${text}`);
  const labels = found.map(([, quotedKey, key, quotedValue, value]) => [
    unquoted(quotedKey) ?? key!,
    unquoted(quotedValue) ?? value!,
  ]);
  return Object.fromEntries(labels) as Record<string, string>;
}

function unquoted(text: string | undefined): string | undefined {
  return text?.replace(
    /\\(?:x(..)|u(.{4})|U(.{8})|(.))/g,
    (_, x?: string, u?: string, U?: string, char?: string) => {
      const code = x ?? u ?? U;
      return code === undefined
        ? ({ n: '\n', r: '\r', t: '\t' }[char!] ?? char!)
        : String.fromCodePoint(Number.parseInt(code, 16));
    },
  );
}

function matched(pattern: RegExp, line: string): RegExpExecArray {
  const match = pattern.exec(line);
  if (!match) throw new Error(`not expected: ${JSON.stringify(line)}`);
  return match;
}
