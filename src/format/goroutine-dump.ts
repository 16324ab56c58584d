import { quoted } from './legacy/quote.js';

/** One execution of a dump. */
export interface DumpedExecution {
  readonly id: number;
  /** Such as `IO wait` or `running`. */
  readonly state: string;
  /** Undefined where it is not known. */
  readonly ageMs: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Innermost first. */
  readonly frames: readonly DumpedFrame[];
  readonly createdBy?: { readonly frame: DumpedFrame; readonly id: number } | undefined;
}

export interface DumpedFrame {
  readonly functionName: string;
  /** Empty for what stands for no place in the code. */
  readonly filename: string;
  readonly line: number;
}

/** Blocks between two yields. */
const SLICE = 50;

/** Go leaves a label without quotes that has no other letters. */
const PLAIN = /^[A-Za-z0-9./_]+$/;

/**
 * Go's text of all goroutines (`debug=2`), in pieces: a block for each, in the order given. Yields now and then.
 *
 * @see https://pkg.go.dev/runtime#Stack
 */
export function* goroutineDump(executions: Iterable<DumpedExecution>): Generator<void, string[]> {
  const blocks: string[] = [];
  for (const execution of executions) {
    if (blocks.length % SLICE === 0) yield;
    blocks.push(`${blocks.length === 0 ? '' : '\n'}${blockOf(execution)}`);
  }
  return blocks;
}

function blockOf({ id, state, ageMs, labels, frames, createdBy }: DumpedExecution): string {
  const status = [state, ...minutes(ageMs)].join(', ');
  const lines = [`goroutine ${id} [${status}]${labelText(labels)}:`, ...frames.flatMap(twoLines)];
  if (createdBy) {
    lines.push(`created by ${oneLine(createdBy.frame.functionName)} in goroutine ${createdBy.id}`);
    lines.push(placeLine(createdBy.frame));
  }
  return `${lines.join('\n')}\n`;
}

/** Go tells whole minutes, from one on. */
function minutes(ageMs = 0): string[] {
  const whole = Math.floor(ageMs / 60_000);
  return whole >= 1 ? [`${whole} minutes`] : [];
}

function labelText(labels: DumpedExecution['labels']): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return '';
  return ` {${entries.map(([key, value]) => `${label(key)}: ${label(value)}`).join(', ')}}`;
}

function label(text: string): string {
  return PLAIN.test(text) ? text : quoted(text);
}

/** `(...)` is what Go has where it does not tell the arguments. */
function twoLines(frame: DumpedFrame): string[] {
  return [`${oneLine(frame.functionName)}(...)`, placeLine(frame)];
}

function placeLine({ filename, line }: DumpedFrame): string {
  return `\t${oneLine(filename) || '??'}:${line}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ');
}
