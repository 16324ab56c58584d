import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import type { DecodedProfile } from '../support/decoded-profile.js';
import { PROGRAM } from './recordings.js';

/** Compares a text with a file of test/fixtures/golden. With UPDATE_GOLDEN=1 it writes the file. */
export function expectGolden(name: string, text: string): void {
  const file = fileURLToPath(new URL(`../fixtures/golden/${name}`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

/** Without the directory of this checkout. */
export function masked(text: string): string {
  return text.replaceAll(PROGRAM, '<program>');
}

/** Comments without what depends on the machine and the Node that replay. */
function maskedComment(comment: string): string {
  return comment.replace(/^node .*/, '<node>').replace(/^host .*/, '<host>');
}

/** A profile for a person to read: its head, its functions and a line for each sample, leaf first. */
export function profileText(profile: DecodedProfile): string {
  const { raw } = profile;
  const text = (index: number | bigint): string => raw.stringTable.strings[Number(index)]!;
  const functions = new Map(raw.function.map((one) => [one.id, one]));
  const frames = new Map(
    raw.location.map(({ id, line }) => [
      id,
      line
        .map(({ functionId, line }) => {
          const { name, filename } = functions.get(functionId)!;
          return filename ? `${text(name)} ${text(filename)}:${line}` : text(name);
        })
        .join(' inlined in '),
    ]),
  );
  const type = (one: { type: number | bigint; unit: number | bigint }): string =>
    `${text(one.type)}/${text(one.unit)}`;
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
      ...raw.sample.map(({ value, label, locationId }) => {
        const labels = label.map(({ key, str, num }) => `${text(key)}=${str ? text(str) : num}`);
        const stack = locationId.map((id) => frames.get(id)).join(' < ');
        return `  ${[...value, ...labels].join(' ')} ${stack}`;
      }),
      '',
    ].join('\n'),
  );
}
