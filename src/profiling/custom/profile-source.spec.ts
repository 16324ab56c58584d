import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { ProfilerArgumentError } from '../errors.js';
import { ProfileSource, type ProfileSourceOptions, sourceOptionsOf } from './profile-source.js';

const VALID = { name: 'jobs', description: 'Waiting jobs.' };
const TYPE = { type: 'waiting', unit: 'count' };

const BAD_NAMES = [
  '',
  ' ',
  'a b',
  'a\n',
  'a\0',
  '\u001b[31m',
  '"a"',
  "'a'",
  '<b>',
  'größe',
  'a?b',
  'a#b',
  'a%2Fb',
];
const RESOLVED_NAMES = [
  '/a',
  'a/',
  'a//b',
  '.',
  '..',
  './a',
  '../a',
  'a/../b',
  'a/.',
  'a\\b',
  'javascript:a',
];

describe('ProfileSource', () => {
  it.each([
    'jobs',
    'db-pool',
    'example.com/demo.conns',
    'a/...',
    '.a',
    'v1.2~x',
    'constructor',
    '__proto__',
    '_',
  ])('accepts the name %s', (name) => {
    expect(() => ProfileSource({ ...VALID, name })).not.toThrow();
  });

  it.each([...BAD_NAMES, ...RESOLVED_NAMES, 7, null, undefined, {}])('refuses the name %j', (name) => {
    const attempt = () => ProfileSource({ ...VALID, name: name as string });
    expect(attempt).toThrow(ProfilerArgumentError);
    expect(attempt).toThrow(`invalid profile name ${JSON.stringify(name)}: expected letters`);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ description: '' }, 'invalid description of profile jobs "": expected a sentence'],
    [{ description: 7 }, 'invalid description of profile jobs 7: expected a sentence'],
    [{ sampleTypes: [] }, 'invalid sampleTypes of profile jobs []: expected one to 4'],
    [{ sampleTypes: [TYPE, TYPE, TYPE, TYPE, TYPE] }, 'invalid sampleTypes of profile jobs [{'],
    [{ sampleTypes: [{ type: 'waiting' }] }, 'invalid sampleTypes of profile jobs [{'],
    [{ sampleTypes: 'waiting' }, 'invalid sampleTypes of profile jobs "waiting"'],
    [{ cumulative: 'yes' }, 'invalid cumulative of profile jobs "yes": expected true or false'],
    [{ unit: 'count' }, 'profile jobs: unknown option "unit"'],
  ])('refuses %j in a sentence', (wrong, sentence) => {
    expect(() => ProfileSource({ ...VALID, ...wrong } as ProfileSourceOptions)).toThrow(sentence);
  });

  it('marks instances of its class and of subclasses, and nothing else', () => {
    @ProfileSource(VALID)
    class Source {
      samples() {
        return [];
      }
    }
    class Subclass extends Source {}
    expect([new Source(), new Subclass()].map(sourceOptionsOf)).toEqual([VALID, VALID]);
    for (const other of [{}, null, undefined, 'text', 7, Source])
      expect(sourceOptionsOf(other)).toBeUndefined();
  });
});
