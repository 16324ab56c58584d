import { readFile } from 'node:fs/promises';
import { decodeProfile } from '../../dist/esm/format/decode.js';
import { merge } from '../../dist/esm/format/merge.js';
import { encodeProfile } from '../../dist/esm/format/wire.js';
import { serveCommands } from '../support/child.mjs';

await serveCommands(() => ({
  /** Decodes profiles, merges them and encodes what comes out: ms of each, and of the longest piece between two yields. */
  async add(...files) {
    const contents = await Promise.all(files.map((file) => readFile(file)));
    const watch = new Watch();
    const profiles = contents.map((content) => watch.finish(decodeProfile(content)));
    const decode = watch.lap();
    const sum = watch.finish(merge(profiles));
    const merged = watch.lap();
    watch.finish(encodeProfile(sum));
    return {
      decode,
      merge: merged,
      encode: watch.lap(),
      longest: watch.longest,
      samples: sum.samples.length,
    };
  },
}));

class Watch {
  longest = 0;
  #begin = performance.now();

  finish(work) {
    for (let begin = performance.now(); ;) {
      const { done, value } = work.next();
      const end = performance.now();
      this.longest = Math.max(this.longest, end - begin);
      if (done) return value;
      begin = end;
    }
  }

  /** Since the lap before. */
  lap() {
    const begin = this.#begin;
    this.#begin = performance.now();
    return this.#begin - begin;
  }
}
