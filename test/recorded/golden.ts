import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { PROGRAM } from './recordings.js';

/** What a file of test/fixtures/golden says a text has to be. With UPDATE_GOLDEN=1 the text is written to it before. */
export function golden(name: string, text: string): string {
  const file = fileURLToPath(new URL(`../fixtures/golden/${name}`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  return readFileSync(file, 'utf8');
}

/** Without the directory of this checkout. */
export function masked(text: string): string {
  return text.replaceAll(PROGRAM, '<program>');
}

/** Comments without what depends on the machine and the Node that replay. */
function maskedComment(comment: string): string {
  return comment.replace(/^node .*/, '<node>').replace(/^host .*/, '<host>');
}

export interface DecodedFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** The stack of each sample, leaf first. */
export function framesOf({ raw }: DecodedProfile): DecodedFrame[][] {
  const text = textOf(raw);
  const functions = new Map(raw.function.map((one) => [one.id, one]));
  const frames = new Map(
    raw.location.map(({ id, line }) => [
      id,
      line.map(({ functionId, line }) => {
        const { name, filename } = functions.get(functionId)!;
        return { name: text(name), file: text(filename), line: Number(line) };
      }),
    ]),
  );
  return raw.sample.map(({ locationId }) => locationId.flatMap((id) => frames.get(id)!));
}

type Raw = DecodedProfile['raw'];

function textOf({ stringTable }: Raw): (index: number | bigint) => string {
  return (index) => stringTable.strings[Number(index)]!;
}

/** A profile for a person to read: its head, its functions and a line for each sample, leaf first. */
export function profileText(profile: DecodedProfile): string {
  const { raw } = profile;
  const text = textOf(raw);
  const stacks = framesOf(profile);
  const type = (one: Raw['sampleType'][number]): string => `${text(one.type)}/${text(one.unit)}`;
  return masked(
    [
      `period ${raw.period} ${type(raw.periodType!)}`,
      `duration ${raw.durationNanos}`,
      ...profile.comments.map((comment) => `comment ${maskedComment(comment)}`),
      '',
      'functions: name, file, first line',
      ...raw.function.map(
        ({ name, filename, startLine }) => `  ${text(name)} ${text(filename)} ${startLine}`,
      ),
      '',
      `samples: ${raw.sampleType.map(type).join(' ')}, labels, stack`,
      ...raw.sample.map(({ value, label }, i) => {
        const labels = label.map(({ key, str, num }) => `${text(key)}=${str ? text(str) : num}`);
        const stack = stacks[i]!.map(({ name, file, line }) => (file ? `${name} ${file}:${line}` : name));
        return `  ${[...value, ...labels].join(' ')} ${stack.join(' < ')}`;
      }),
      '',
    ].join('\n'),
  );
}
