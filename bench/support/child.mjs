// A contestant runs in a process of its own: native profilers cannot be loaded side by side, and V8 has one of each.
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Starts `children/<script>`; the answer takes commands by `ask`, one at a time. */
export async function startChild(script, options, { nodeOptions = [], cwd, execPath } = {}) {
  const process = fork(new URL(`../children/${script}`, import.meta.url), [JSON.stringify(options)], {
    execArgv: ['--expose-gc', ...nodeOptions],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    cwd,
    ...(execPath && { execPath }),
  });
  let stderr = '';
  process.stderr.on('data', (chunk) => (stderr += chunk));

  let ended = false;
  let settle;
  const next = () => new Promise((resolve) => (settle = resolve));
  const death = () => ({ error: `the process has ended: ${lastLine(stderr)}` });
  process.on('message', (message) => settle(message));
  process.on('exit', () => {
    ended = true;
    settle(death());
  });

  const { error } = await next();
  return {
    pid: process.pid,
    /** Why it could not be prepared, if so. */
    error,
    async ask(command, ...args) {
      if (ended) throw new Error(death().error);
      const answer = next();
      process.send({ command, args });
      const { value, error } = await answer;
      if (error) throw new Error(error);
      return value;
    },
    async end() {
      if (ended) return;
      process.kill('SIGKILL'); // nothing of it is needed, and some contestants take their time to leave
      await once(process, 'exit');
    },
  };
}

/** In the child: prepares commands from the options, then carries them out. */
export async function serveCommands(prepare) {
  let commands;
  await answer(async () => {
    commands = await prepare(JSON.parse(process.argv[2]));
  });
  process.on('message', ({ command, args }) => answer(() => commands[command](...args)));
  process.on('disconnect', () => process.exit());
}

async function answer(work) {
  try {
    process.send({ value: await work() });
  } catch (error) {
    process.send({ error: firstLine(String(error?.message ?? error)) });
  }
}

function firstLine(text) {
  return text.split('\n')[0];
}

function lastLine(text) {
  return text.trim().split('\n').at(-1);
}
