import { beforeAll, expect, it, jest } from '@jest/globals';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { golden, masked } from './golden.js';
import { recording } from './recordings.js';
import { replayCpu, replayHeap } from './replay.js';

/** One Node for each source: what go tool pprof reads of one it reads of all. */
const PROFILES = [
  { name: 'node-20-inspector-cpu', replay: () => replayCpu('inspector-cpu', recording('inspector-cpu', 20)) },
  { name: 'node-22-pprof-cpu', replay: () => replayCpu('pprof-cpu', recording('pprof-cpu', 22)) },
  {
    name: 'node-24-inspector-heap',
    replay: () => replayHeap('inspector-heap', recording('inspector-heap', 24)),
  },
  { name: 'node-26-pprof-heap', replay: () => replayHeap('pprof-heap', recording('pprof-heap', 26)) },
];

describeGo('go tool pprof', () => {
  const files = new Map<string, string>();
  beforeAll(async () => {
    jest.replaceProperty(process, 'argv', [process.execPath, '/app/main.js']);
    for (const { name, replay } of PROFILES)
      files.set(name, profileFile(`${name}.pb.gz`, (await replay()).bytes));
  });

  it.each(PROFILES)('-raw prints $name as its golden text', async ({ name }) => {
    const output = maskedOutput(await goPprof('-raw', files.get(name)!));
    expect(output).toBe(golden(`${name}.raw.txt`, output));
  });

  it.each(PROFILES)('-top prints $name as its golden text', async ({ name }) => {
    const output = maskedOutput(await goPprof('-top', files.get(name)!));
    expect(output).toBe(golden(`${name}.top.txt`, output));
  });
});

/** Without the time, the machine, addresses (which depend on the directory), and the columns that newer versions print. */
function maskedOutput(output: string): string {
  return masked(output)
    .replace(/^Time: .*/m, 'Time: <time>')
    .replace(/^(Comment: )?node v.*/m, '$1<node>')
    .replace(/^(Comment: )?host .*/m, '$1<host>')
    .replace(/^( *\d+: )0x[\da-f]+( M=)/gm, '$1<address>$2')
    .replace(/(:\d+):0( s=)/g, '$1$2');
}
