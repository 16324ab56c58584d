import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { beforeAll, expect, it } from '@jest/globals';
import { decodeProfile } from '../src/format/decode.js';
import { finished } from '../src/format/finished.js';
import { merge, scale } from '../src/format/merge.js';
import { type Profile, samplesOf } from '../src/format/profile.js';
import { encodeProfile } from '../src/format/wire.js';
import { describeGo, profileFile, runGoPprof } from './support/go.js';

const run = promisify(execFile);

/** Writes profiles of the CPU and of the heap, of this program at work, into the folder that it is given. */
const PROGRAM = `package main

import (
	"context"
	"os"
	"runtime/pprof"
	"time"
)

var kept [][]byte

func spin(until time.Time) (count int) {
	for time.Now().Before(until) {
		count++
	}
	return
}

func work(d time.Duration)  { spin(time.Now().Add(d)) }
func other(d time.Duration) { spin(time.Now().Add(d)) }

func file(name string) *os.File {
	f, err := os.Create(os.Args[1] + "/" + name)
	if err != nil {
		panic(err)
	}
	return f
}

func cpu(name string, label string) {
	f := file(name)
	defer f.Close()
	pprof.StartCPUProfile(f)
	pprof.Do(context.Background(), pprof.Labels("route", "/a", "worker", label), func(context.Context) {
		work(150 * time.Millisecond)
	})
	other(100 * time.Millisecond)
	pprof.StopCPUProfile()
}

func heap(name string) {
	for i := 0; i < 20; i++ {
		kept = append(kept, make([]byte, 1<<20))
	}
	f := file(name)
	defer f.Close()
	pprof.Lookup("allocs").WriteTo(f, 0)
}

func main() {
	cpu("cpu1", "1")
	cpu("cpu2", "2")
	heap("heap1")
	heap("heap2")
}
`;

describeGo('profiles that Go has written', () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);
  const read = (name: string): Profile => decode(readFileSync(path(name)));

  beforeAll(async () => {
    const source = profileFile('main.go', Buffer.from(PROGRAM));
    folder = dirname(source);
    await run('go', ['build', '-o', path('program'), source], {
      env: { ...process.env, GO111MODULE: 'off' },
    });
    await run(path('program'), [folder]);
  }, 120_000);

  it.each(['cpu1', 'cpu2', 'heap1', 'heap2'])(
    'decode to what `go tool pprof -raw` says: %s',
    async (name) => {
      const profile = read(name);
      const raw = await goPprof('-raw', path(name));
      expect(valuesByStack(profile)).toEqual(valuesInRaw(raw));
      expect(raw).toContain(`PeriodType: ${profile.periodType.type} ${profile.periodType.unit}\n`);
      expect(raw).toContain(`Period: ${profile.period}\n`);
      expect(raw).toContain(`Samples:\n${typesOf(profile)}\n`);
      expect(raw).toContain(`1: 0x${profile.mappings[0]!.start.toString(16)}/0x`);
    },
  );

  it('decode with their labels', () => {
    const routes = [...samplesOf(read('cpu1'))].filter(({ labels }) => labels.route);
    expect(routes.length).toBeGreaterThan(0);
    for (const { labels } of routes) expect(labels).toEqual({ route: '/a', worker: '1' });
    expect([...samplesOf(read('heap1'))].find(({ labels }) => labels.bytes === 2 ** 20)).toBeDefined();
  });

  it.each([
    ['cpu1', 'cpu2'],
    ['heap1', 'heap2'],
    ['cpu1', 'cpu1'],
  ])('merge as `go tool pprof -proto` does: %s and %s', async (a, b) => {
    const ours = finished(merge([read(a), read(b)]));
    const theirs = await merged(path(a), path(b));
    expect(valuesBySample(ours)).toEqual(valuesBySample(theirs));
    expect(ours.samples.length).toBe(theirs.samples.length);
  });

  it.each([
    ['cpu1', 'cpu2'],
    ['heap1', 'heap2'],
  ])('subtract as `go tool pprof -base` does: %s from %s', async (before, after) => {
    const ours = finished(merge([read(after), finished(scale(read(before), -1))]));
    const theirs = await merged('-base', path(before), path(after));
    expect(valuesBySample(ours)).toEqual(valuesBySample(theirs));
  });

  it('are read by `go tool pprof` when we have written them again', async () => {
    const again = profileFile('again', finished(encodeProfile(read('cpu1'))));
    expect(valuesInRaw(await goPprof('-raw', again))).toEqual(
      valuesInRaw(await goPprof('-raw', path('cpu1'))),
    );
  });

  /** What `go tool pprof` makes of profiles, decoded. */
  async function merged(...args: string[]): Promise<Profile> {
    await goPprof('-proto', `-output=${path('merged')}`, ...args);
    return read('merged');
  }
});

function decode(bytes: Buffer): Profile {
  return finished(decodeProfile(gunzipSync(bytes)));
}

async function goPprof(...args: string[]): Promise<string> {
  const { code, output } = await runGoPprof('-symbolize=none', ...args);
  expect({ code, output: code === 0 || output }).toEqual({ code: 0, output: true });
  return output;
}

function typesOf({ sampleTypes, defaultSampleType }: Profile): string {
  return sampleTypes
    .map(({ type, unit }) => `${type}/${unit}${type === defaultSampleType ? '[dflt]' : ''}`)
    .join(' ');
}

type Values = Map<string, number[]>;

function valuesByStack(profile: Profile): Values {
  return summed([...samplesOf(profile)].map(({ stack, values }) => [framesText(stack), values]));
}

function valuesBySample(profile: Profile): Values {
  return summed(
    [...samplesOf(profile)].map(({ stack, labels, values }) => {
      const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
      return [`${framesText(stack)} ${JSON.stringify(sorted)}`, values];
    }),
  );
}

function framesText(frames: readonly { name: string; filename: string; line: number }[]): string {
  return frames.map(({ name, filename, line }) => `${name} ${filename}:${line}`).join('\n');
}

/** Without those that are zero, which `go tool pprof` leaves out. */
function summed(entries: (readonly [key: string, values: readonly number[]])[]): Values {
  const sums: Values = new Map();
  for (const [key, values] of entries) {
    const sum = sums.get(key) ?? values.map(() => 0);
    sums.set(
      key,
      sum.map((one, i) => one + values[i]!),
    );
  }
  return new Map([...sums].filter(([, sum]) => sum.some((one) => one !== 0)));
}

/** The samples and locations that `-raw` prints. */
function valuesInRaw(raw: string): Values {
  const frames = framesInRaw(raw);
  const samples = [...raw.matchAll(/^ +((?:-?\d+ +)*-?\d+):((?: \d+)*) ?$/gm)];
  return summed(
    samples.map(([, values, ids]) => [
      ids!
        .trim()
        .split(' ')
        .filter(Boolean)
        .map((id) => frames.get(id)!)
        .join('\n'),
      values!.trim().split(/ +/).map(Number),
    ]),
  );
}

/** By the id of a location its lines, one below the other. */
function framesInRaw(raw: string): ReadonlyMap<string, string> {
  const frames = new Map<string, string>();
  let id = '';
  for (const line of raw.slice(raw.indexOf('\nLocations\n'), raw.indexOf('\nMappings\n')).split('\n')) {
    id = /^ +(\d+): 0x/.exec(line)?.[1] ?? id;
    const [, name, place] = /(?:M=\d+ |^ +)(\S+) (\S+:\d+)(?::\d+)? s=\d+/.exec(line) ?? [];
    if (name === undefined) continue;
    frames.set(id, [frames.get(id), `${name} ${place}`].filter(Boolean).join('\n'));
  }
  return frames;
}
