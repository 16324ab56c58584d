import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Profile } from '../format/profile.js';
import { encodeProfile } from '../format/wire.js';
import { runSliced } from './slices.js';

const compress = promisify(gzip);

/** The result of a capture. */
export class CapturedProfile {
  constructor(
    /** The profile itself; `samplesOf(profile)` gives its samples as objects. */
    readonly profile: Profile,
  ) {}

  /** Gzipped profile.proto, as `go tool pprof` and scrapers read it. */
  async encode(): Promise<Buffer> {
    const bytes = await runSliced(encodeProfile(this.profile));
    return compress(bytes, { level: constants.Z_BEST_SPEED }); // Go's level too
  }

  /**
   * Writes {@link encode}'s result to a file, which `go tool pprof <path>` opens.
   *
   * @throws Error of `node:fs` where the file cannot be written
   */
  async toFile(path: string): Promise<void> {
    await writeFile(path, await this.encode());
  }
}
