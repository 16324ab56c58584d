import { closeSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { reasonOf } from '../../sampling/reason.js';
import type { CpuSamples, Sliced } from '../../sampling/sampler.js';
import { ClassNames } from '../frames/class-names.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { SourceMapper } from '../frames/source-maps/source-mapper.js';
import { cpuProfileOf } from './cpu-profile.js';
import type { CpuCaptureFacts } from './cpu-recording.js';

/**
 * Writes the CPU profile of startup to a file, and a line with the path or the error to stderr.
 *
 * @param name name of the file; `%p` becomes the pid
 */
export async function writeBootProfile(
  capture: CpuCaptureFacts,
  stopped: Sliced<CpuSamples>,
  name: string,
): Promise<void> {
  try {
    const frames = new FrameResolver(new SourceMapper({ sourceMaps: true }), new ClassNames());
    const captured = await cpuProfileOf(capture, stopped, frames, []);
    const file = claimed(name.replaceAll('%p', String(process.pid)));
    await captured.toFile(file);
    process.stderr.write(`[PprofModule] CPU profile of the boot: ${file}\n`);
  } catch (error) {
    process.stderr.write(
      `[PprofModule] The CPU profile of the boot could not be written: ${reasonOf(error)}\n`,
    );
  }
}

/** The file to write: replaces one of an earlier run, but gets the pid in its name if another process has written it since our start. */
function claimed(file: string): string {
  const own = join(dirname(file), basename(file).replace(/(?=\.)|$/, `.${process.pid}`));
  if (isCreated(file)) return file;
  const lock = `${file}.lock`;
  if (!isCreated(lock)) return own; // another process is executing the next two lines
  try {
    const now = new Date();
    if (statSync(file).mtimeMs >= performance.timeOrigin) return own;
    utimesSync(file, now, now);
    return file;
  } finally {
    rmSync(lock);
  }
}

function isCreated(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}
