import type { DecodedFrame } from './process.js';

/** Go's text of a profile that counts, such as `goroutine`: debug=1. */
export interface CountsText {
  readonly name: string;
  readonly total: number;
  readonly records: readonly {
    readonly count: number;
    readonly labels: Readonly<Record<string, string>>;
    /** Leaf first. */
    readonly frames: readonly DecodedFrame[];
  }[];
}

const HEAD = /^(\S+) profile: total (\d+)$/;
const RECORD = /^(\d+) @(?: 0x[0-9a-f]+)+$/;
const LABELS = /^# labels: (\{.+\})$/;
const FRAME = /^#\t0x[0-9a-f]+\t+(.+)\+0x[0-9a-f]+\t+(.*):(\d+)$/;

/**
 * Reads such a text, after what Go's `printCountProfile` writes.
 *
 * @throws Error for a line that is none of Go's
 */
export function readCounts(text: string): CountsText {
  const [head, ...lines] = text.split('\n');
  const [, name, total] = matched(HEAD, head);
  const records = lines.join('\n').replace(/\n\n$/, '').split('\n\n').filter(Boolean).map(readRecord);
  return { name: name!, total: Number(total), records };
}

function readRecord(record: string): CountsText['records'][number] {
  const [head, ...lines] = record.split('\n');
  const [, labels] = LABELS.exec(lines[0] ?? '') ?? [];
  const frames = labels === undefined ? lines : lines.slice(1);
  return {
    count: Number(matched(RECORD, head)[1]),
    labels: JSON.parse(labels ?? '{}') as Record<string, string>,
    frames: frames.map((line) => {
      const [, name, file, at] = matched(FRAME, line);
      return { name: name!, file: file!, line: Number(at) };
    }),
  };
}

function matched(pattern: RegExp, line: string | undefined): RegExpExecArray {
  const found = pattern.exec(line ?? '');
  if (!found) throw new Error(`this is no line of Go's: ${JSON.stringify(line)}, which is not ${pattern}`);
  return found;
}
