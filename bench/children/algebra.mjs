import { readFile } from 'node:fs/promises';
import { decodeProfile } from '../../dist/esm/format/decode.js';
import { merge } from '../../dist/esm/format/merge.js';
import { encodeProfile } from '../../dist/esm/format/wire.js';
import { serveCommands } from '../support/child.mjs';
import { waitedMs } from '../support/clock.mjs';
import { watchGarbage } from '../support/heartbeat.mjs';

await serveCommands(() => ({
  /**
   * Decodes profiles, merges them and encodes what comes out: ms of each, and of the longest piece between two yields, besides
   * V8's collections.
   */
  async add(...files) {
    const contents = await Promise.all(files.map((file) => readFile(file)));
    const collections = watchGarbage();
    const watch = new Watch();
    const profiles = contents.map((content) => watch.finish(decodeProfile(content)));
    const decode = watch.lap();
    const sum = watch.finish(merge(profiles));
    const merged = watch.lap();
    watch.finish(encodeProfile(sum));
    const encode = watch.lap();
    return {
      decode,
      merge: merged,
      encode,
      longest: watch.longest(await collections()),
      samples: sum.samples.length,
    };
  },
}));

/** Pieces that are so short, in ms, are not among the longest. */
const SHORT = 1;

class Watch {
  #pieces = [];
  #begin = performance.now();

  #waited = waitedMs();

  finish(work) {
    for (let begin = performance.now(); ;) {
      const { done, value } = work.next();
      const end = performance.now();
      if (end - begin > SHORT) this.#note(begin, end);
      if (done) return value;
      begin = end;
    }
  }

  /** The clock that tells how long it had to wait is read for these only: that takes longer than a short piece. */
  #note(begin, end) {
    const waited = waitedMs();
    this.#pieces.push({ begin, end, ms: end - begin - (waited - this.#waited) });
    this.#waited = waited;
  }

  longest(collections) {
    const ofIts = ({ begin, end }) =>
      collections.reduce(
        (ms, { startTime, duration }) => ms + (begin <= startTime && startTime < end ? duration : 0),
        0,
      );
    return this.#pieces.reduce((longest, piece) => Math.max(longest, piece.ms - ofIts(piece)), 0);
  }

  /** Since the lap before. */
  lap() {
    const begin = this.#begin;
    this.#begin = performance.now();
    return this.#begin - begin;
  }
}
