import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENCODERS } from './encoders.mjs';
import { stacksOf } from './stacks.mjs';

/** Writes two profiles, uncompressed, half of whose samples are the same; until `remove`. */
export async function writeProfiles(samples, depth, places) {
  const { build, encode } = await ENCODERS.ours();
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-profiles-'));
  const stacks = stacksOf(samples * 1.5, depth, places);
  const files = [0, samples / 2].map((begin) => ({
    path: join(folder, `${begin}.pb`),
    bytes: encode(build(stacks.slice(begin, begin + samples), places)),
  }));
  await Promise.all(files.map(({ path, bytes }) => writeFile(path, bytes)));
  return { paths: files.map(({ path }) => path), remove: () => rm(folder, { recursive: true }) };
}
