/** A goroutine as Go's dump of them tells it. */
export interface DumpedGoroutine {
  readonly id: number;
  readonly state: string;
  readonly isLeaked: boolean;
  /** Whole minutes, told from one on. */
  readonly minutes: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly frames: readonly DumpFrame[];
  readonly createdBy?: DumpFrame & { readonly parent: number };
}

export interface DumpFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

const HEADER = /^goroutine (\d+) \[([^\]]+)\](?: \{(.+)\})?:$/;
const STATUS =
  /^(?<state>[a-zA-Z.]+(?: [a-zA-Z]+| \([^)]+\))*?)(?<leaked> \(leaked\))?(?:, (?<minutes>\d+) minutes)?$/;
const CALL = /^(\S.*)\(([^()]*)\)$/;
const PLACE = /^\t(.+):(\d+)(?: \+0x[0-9a-f]+)?$/;
const CREATOR = /^created by (\S.*) in goroutine (\d+)$/;
/** Quotes stand where there are other letters than these, and only there. */
const LABEL = /^("(?:[^"\\]|\\.)*"|[A-Za-z0-9./_]+): ("(?:[^"\\]|\\.)*"|[A-Za-z0-9./_]+)(?:, |$)/;

/**
 * Reads what `goroutine?debug=2` gives, after the description of `runtime.Stack` and of `GODEBUG=tracebacklabels`.
 *
 * @throws Error for a line that is none of Go's
 */
export function readDump(text: string): DumpedGoroutine[] {
  if (!text.endsWith('\n') || text.endsWith('\n\n')) throw new Error('a dump ends with one end of a line');
  return text.slice(0, -1).split('\n\n').map(readBlock);
}

function readBlock(block: string): DumpedGoroutine {
  const [header, ...lines] = block.split('\n');
  const [, id, status, labels = ''] = matched(HEADER, header);
  const { state, leaked, minutes = '0' } = matched(STATUS, status).groups!;
  const frames: DumpFrame[] = [];
  let createdBy: DumpedGoroutine['createdBy'];
  for (let i = 0; i < lines.length; i += 2) {
    const [, file, line] = matched(PLACE, lines[i + 1]);
    const place = { file: file!, line: Number(line) };
    const [, creator, parent] = CREATOR.exec(lines[i]!) ?? [];
    if (createdBy) throw new Error(`a goroutine goes on after its creator: ${lines[i]}`);
    if (creator) createdBy = { name: creator, parent: Number(parent), ...place };
    else frames.push({ name: matched(CALL, lines[i])[1]!, ...place });
  }
  return {
    id: Number(id),
    state: state!,
    isLeaked: leaked !== undefined,
    minutes: Number(minutes),
    labels: readLabels(labels),
    frames,
    ...(createdBy && { createdBy }),
  };
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== '';) {
    const [whole, key, value] = matched(LABEL, rest);
    labels[unquoted(key!)] = unquoted(value!);
    rest = rest.slice(whole.length);
  }
  return labels;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  const plain = JSON.parse(text) as string;
  if (/^[A-Za-z0-9./_]+$/.test(plain)) throw new Error(`these quotes are none of Go's: ${text}`);
  return plain;
}

function matched(pattern: RegExp, text: string | undefined): RegExpExecArray {
  const found = pattern.exec(text ?? '');
  if (!found) throw new Error(`this is no line of Go's: ${JSON.stringify(text)}, which is not ${pattern}`);
  return found;
}
