import { textName } from './names.js';
import { Pieces } from './pieces.js';
import type { Frame, Labels } from './profile.js';

/**
 * Go's dump of all goroutines (`debug=2`, `runtime.Stack`), as Go 1.27 writes it.
 *
 * @see https://github.com/golang/go/blob/master/src/runtime/traceback.go
 * @see https://github.com/DataDog/gostackparse/blob/main/gostackparse.go
 */

/** An execution in progress: one block of the dump. */
export interface Execution {
  /** A whole number, to which `createdBy` of others may refer. */
  readonly id: number;
  /** What it waits for in Go's terms, such as `IO wait` or `chan receive (leaked)`, or `running`. */
  readonly state: string;
  /** In milliseconds; shown in whole minutes. */
  readonly waitedMs: number;
  readonly labels: Labels;
  /** Innermost first; a string is a label without a source location. */
  readonly stack: readonly (Frame | string)[];
  /** Where it was started, and by which execution. */
  readonly createdBy?: { readonly frame: Frame | string; readonly in?: number };
}

/** Blocks between two yields. */
const SLICE = 20;
/** Maximum number of frames of a stack, as in Go: this many innermost and outermost ones each. */
const INNER = 50;
const OUTER = 50;
/** Maximum length of labels, since clients reject lines above 64 KiB. */
const LONGEST = 4000;
const MINUTE = 60_000;

/** Writes a dump, in pieces and in the order of the executions. Yields now and then. */
export function* goroutineDump(executions: Iterable<Execution>): Generator<void, string[]> {
  const pieces = new Pieces();
  const traces = new Map<Execution['stack'], string>(); // cached, since many executions have the same stack
  let blocks = 0;
  for (const execution of executions) {
    if (blocks % SLICE === 0) yield;
    const { stack, createdBy } = execution;
    const calls = traces.get(stack) ?? trace(stack);
    traces.set(stack, calls);
    const text = `${header(execution)}${calls}${createdBy ? creation(createdBy) : ''}`;
    pieces.add(blocks++ > 0 ? `\n${text}` : text);
  }
  return pieces.all();
}

function header({ id, state, waitedMs, labels }: Execution): string {
  const minutes = Math.floor(waitedMs / MINUTE);
  return `goroutine ${id} [${state}${minutes > 0 ? `, ${minutes} minutes` : ''}]${labelSet(labels)}:\n`;
}

function trace(stack: Execution['stack']): string {
  const elided = Math.max(0, stack.length - INNER - OUTER);
  const calls = (stack.length > 0 ? stack : ['(no stack)']).map(call); // readers require one
  if (elided > 0) calls.splice(INNER, elided, `...${elided} frames elided...\n`);
  return calls.join('');
}

function call(frame: Frame | string): string {
  return `${readableName(nameOf(frame))}(...)\n${place(frame)}`;
}

function creation({ frame, in: parent }: NonNullable<Execution['createdBy']>): string {
  const name = textName(nameOf(frame)) || ANONYMOUS;
  return `created by ${name}${parent === undefined ? '' : ` in goroutine ${parent}`}\n${place(frame)}`;
}

const ANONYMOUS = '(anonymous)';

function nameOf(frame: Frame | string): string {
  return typeof frame === 'string' ? frame : frame.name;
}

/** Readers end the path at a colon and a digit, and require a path even for a frame without a file. */
function place(frame: Frame | string): string {
  if (typeof frame === 'string' || frame.filename === '') return '\t??:0\n';
  return `\t${textName(frame.filename).replace(/:(?=\d)/g, '%3A')}:${frame.line}\n`;
}

/** Pairs of parentheses that are not nested. */
const PAIRED = /^[^()]*(?:\([^()]*\)[^()]*)*$/;

/** What readers would not parse as a call. */
const NO_CALL = /^(?:goroutine |created by |\[originating from |\.\.\.)/;

/** Escapes a name so that readers find it before the arguments of a call. */
function readableName(name: string): string {
  const line = textName(name) || ANONYMOUS;
  const paired = PAIRED.test(line) ? line : line.replaceAll('(', '[').replaceAll(')', ']');
  return NO_CALL.test(paired) ? `\u200b${paired}` : paired;
}

function labelSet(labels: Labels): string {
  let length = 0;
  const texts = Object.entries(labels)
    .map(([key, value]) => `${quoted(key)}: ${quoted(String(value))}`)
    .filter((text) => (length += text.length) <= LONGEST);
  return texts.length > 0 ? ` {${texts.join(', ')}}` : '';
}

/** Quotes a text only if necessary. */
function quoted(text: string): string {
  return /^[A-Za-z0-9./_]*$/.test(text) ? text : `"${text.replace(/[^ !#-[\]-~]/gu, escaped)}"`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
};

function escaped(character: string): string {
  const code = character.codePointAt(0)!;
  const [kind, digits] =
    code < 127 ? (['x', 2] as const) : code < 0x10000 ? (['u', 4] as const) : (['U', 8] as const);
  return ESCAPES[character] ?? `\\${kind}${code.toString(16).padStart(digits, '0')}`;
}
