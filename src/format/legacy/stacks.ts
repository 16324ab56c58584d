import type { Profile } from '../profile.js';

const TAB_WIDTH = 8;

/** Of a line that a client must not take for anything but a comment. */
const CONTROLS = /[\p{Cc}\u2028\u2029]/gu;

/** One line of a stack's comment, cut into the cells that are aligned. */
interface CommentLine {
  readonly pc: string;
  /** Empty: the function is not known. */
  readonly fn: string;
  readonly fnWidth: number;
  readonly place: string;
}

/** The stacks of a profile as Go's text has them: addresses for clients, and comments for people. */
export class StackTexts {
  /** By location; made when it is asked for first. */
  private readonly addressTexts: (string | undefined)[];
  private readonly commentLines: (readonly CommentLine[] | undefined)[];

  constructor(private readonly profile: Profile) {
    const { length } = profile.locations;
    this.addressTexts = Array.from({ length });
    this.commentLines = Array.from({ length });
  }

  depth(sample: number): number {
    const { stackStart } = this.profile.samples;
    return stackStart[sample + 1]! - stackStart[sample]!;
  }

  /** Each address after a space; one behind the call, since clients take one off. */
  addresses(sample: number): string {
    const { stack, stackStart } = this.profile.samples;
    let text = '';
    for (let i = stackStart[sample]!; i < stackStart[sample + 1]!; i++) text += this.addressText(stack[i]!);
    return text;
  }

  /** The lines of a stack, leaf first. */
  comment(sample: number): string {
    const lines = this.linesOf(sample);
    if (lines.length === 0) return '#\t0x0\n';
    let text = '';
    for (let start = 0; start < lines.length;) {
      let end = start;
      while (end < lines.length && lines[end]!.fn !== '') end++;
      if (end === start) text += `#\t${lines[end++]!.pc}\n`;
      else text += alignedText(lines, start, end);
      start = end;
    }
    return text;
  }

  private addressText(location: number): string {
    return (this.addressTexts[location] ??= ` ${hex(this.profile.locations.address[location]! + 1)}`);
  }

  private linesOf(sample: number): CommentLine[] {
    const { stack, stackStart } = this.profile.samples;
    const lines: CommentLine[] = [];
    for (let i = stackStart[sample]!; i < stackStart[sample + 1]!; i++) {
      const location = stack[i]!;
      const ofLocation = (this.commentLines[location] ??= commentLines(this.profile, location));
      for (const line of ofLocation) lines.push(line);
    }
    return lines;
  }
}

function commentLines({ locations, functions, strings }: Profile, location: number): CommentLine[] {
  const pc = hex(locations.address[location]!);
  const lines: CommentLine[] = [];
  for (let line = locations.lineStart[location]!; line < locations.lineStart[location + 1]!; line++) {
    const fn = locations.lineFunction[line]!;
    const name = strings[functions.name[fn]!]!;
    const filename = strings[functions.filename[fn]!]!;
    const shown = name && `${withoutControls(name)}+0x0`; // V8 tells no offset in a function
    const place = `${withoutControls(filename)}:${locations.lineNumber[line]}`;
    lines.push({ pc, fn: shown, fnWidth: widthOf(shown), place });
  }
  return lines.length > 0 ? lines : [{ pc, fn: '', fnWidth: 0, place: '' }];
}

/** What Go's text/tabwriter makes of lines that have the same cells. */
function alignedText(lines: readonly CommentLine[], start: number, end: number): string {
  let [pcWidth, fnWidth] = [0, 0];
  for (let i = start; i < end; i++) {
    pcWidth = Math.max(pcWidth, lines[i]!.pc.length);
    fnWidth = Math.max(fnWidth, lines[i]!.fnWidth);
  }
  let text = '';
  for (let i = start; i < end; i++) {
    const { pc, fn, fnWidth: width, place } = lines[i]!;
    text += `#\t${pc}${padding(pc.length, pcWidth)}${fn}${padding(width, fnWidth)}${place}\n`;
  }
  return text;
}

/** The tabs after a cell of a column: at least one. */
function padding(width: number, widest: number): string {
  const columnWidth = Math.ceil((widest + 1) / TAB_WIDTH) * TAB_WIDTH;
  return '\t'.repeat(Math.ceil((columnWidth - width) / TAB_WIDTH));
}

/** Characters, as tabwriter counts them. */
function widthOf(text: string): number {
  let width = 0;
  for (const _ of text) width++;
  return width;
}

function withoutControls(text: string): string {
  return text.replace(CONTROLS, ' ');
}

/** Addresses are signed 64-bit numbers, as profile.proto is read; they are shown unsigned. */
function hex(address: number): string {
  return `0x${(address < 0 ? BigInt.asUintN(64, BigInt(address)) : address).toString(16)}`;
}
