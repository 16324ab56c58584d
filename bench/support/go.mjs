// Go's side of encode.mjs and merge.mjs. google/pprof is taken from Go's own source tree, which has it for `go tool pprof`.
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL('../go/main.go', import.meta.url));
const PPROF = 'github.com/google/pprof';
const MODULE = `module bench\n\ngo 1.19\n\nrequire ${PPROF} v0.0.0\n\nreplace ${PPROF} => ./pprof\n`;

export const GO = 'Go';

/** Starts Go as one more child; `failed` takes the reason why not. */
export async function addGo(children, failed) {
  try {
    children.set(GO, await startGo());
  } catch (error) {
    failed.set(GO, error.message);
  }
}

/** Builds the program; the answer takes its commands by `ask`, one at a time. */
async function startGo() {
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-pprof-bench-go-'));
  const program = await build(folder).catch((error) => {
    throw new Error(`no Go to compare with: ${error.message.split('\n')[0]}`, { cause: error });
  });
  const go = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(go.stdout)[Symbol.asyncIterator]();
  return {
    async ask(command, ...args) {
      go.stdin.write(`${[command, ...args].join(' ')}\n`);
      return JSON.parse((await lines.next()).value);
    },
    async end() {
      go.stdin.end();
      await rm(folder, { recursive: true });
    },
  };
}

async function build(folder) {
  const { stdout } = await run('go', ['env', 'GOROOT']);
  const vendored = join(stdout.trim(), 'src/cmd/vendor', PPROF, 'profile');
  await cp(vendored, join(folder, 'pprof/profile'), { recursive: true });
  await writeFile(join(folder, 'pprof/go.mod'), `module ${PPROF}\n\ngo 1.19\n`);
  await writeFile(join(folder, 'go.mod'), MODULE);
  await cp(SOURCE, join(folder, 'main.go'));
  await run('go', ['build', '-o', 'encode', '.'], {
    cwd: folder,
    env: { ...process.env, GOFLAGS: '-mod=mod' },
  });
  return join(folder, 'encode');
}
