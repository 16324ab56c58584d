import { Logger } from '@nestjs/common';
import { processState } from '../../sampling/process-state.js';
import { ClassNames } from '../frames/class-names.js';
import type { CpuCapture } from './cpu-recording.js';
import { endCpuCapture } from './cpu-profile.js';
import { FrameResolver } from '../frames/frame-resolver.js';
import { SourceMapper } from '../frames/source-maps/source-mapper.js';

/** A boot that takes longer is not waited for, in ms. */
const LONGEST_BOOT = 60_000;

/**
 * Writes the CPU profile of the boot to a file, as soon as the application has bootstrapped; at the latest after a
 * minute, or when the process has nothing left to do.
 */
export function writeBootProfileLater(capture: CpuCapture, file: string): void {
  const state = processState();
  const finish = (): void => {
    clearTimeout(timer);
    process.off('beforeExit', finish);
    state.finishBoot = undefined;
    void write(capture, file);
  };
  const timer = setTimeout(finish, LONGEST_BOOT).unref();
  process.once('beforeExit', finish);
  state.finishBoot = finish;
}

async function write(capture: CpuCapture, file: string): Promise<void> {
  const logger = new Logger('PprofModule');
  try {
    const frames = new FrameResolver(new SourceMapper({ sourceMaps: true }), new ClassNames());
    const captured = await endCpuCapture(capture, frames, []);
    await captured.toFile(file);
    logger.log(`CPU profile of the boot: ${file}`);
  } catch (error) {
    logger.error(`The CPU profile of the boot could not be written: ${(error as Error).message}`);
  }
}
