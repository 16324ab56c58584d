import type { DevToolsFormat } from '../../profiling/capture.js';
import type { ResolvedPprofOptions } from '../../pprof.options.js';
import { badValue, goException, tooLong } from '../go-errors.js';
import { formValue } from '../go-query.js';
import { attachment, type PprofReply } from '../reply.js';

/** @throws HttpException 400 for a capture longer than the options allow */
export function checkDuration(
  seconds: number,
  { writeTimeout, maxSeconds }: Pick<ResolvedPprofOptions, 'writeTimeout' | 'maxSeconds'>,
): void {
  if (writeTimeout > 0 && seconds * 1000 >= writeTimeout) throw goException('writeTimeout');
  if (seconds > maxSeconds) throw tooLong(maxSeconds);
}

/**
 * The parameter `format`.
 *
 * @param offered the format that the profile has beside pprof's own
 * @throws HttpException 400 for another one
 */
export function formatOf(query: string, offered: DevToolsFormat | undefined): DevToolsFormat | undefined {
  const asked = formValue(query, 'format');
  if (asked === '') return undefined;
  if (asked !== offered) throw badValue('format', offered ?? 'left out');
  return offered;
}

/** A file to download; DevTools know one by its extension. */
export function download(name: string, format: DevToolsFormat | undefined, body: Uint8Array): PprofReply {
  return attachment(format ? `${name}.${format}` : name, body);
}
