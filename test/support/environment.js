import { AsyncLocalStorage } from 'node:async_hooks';
import { Session } from 'node:inspector';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { TestEnvironment } from 'jest-environment-node';

/** How long handles may take to close after the last test, in ms. */
const PATIENCE = 10_000;

/** Names of what Node or Jest opens and closes by itself, whichever test runs. */
const NOBODYS =
  /^(Immediate|Timeout|TickObject|FSReqCallback|GetAddrInfoReqWrap|PipeWrap|TTYWrap|FileHandle)/;

/** Inspector sessions that are connected, with an error made where they were connected. Core modules are shared by all tests. */
const sessions = watchSessions();

/**
 * Stores that are in use. Jest's runner has one for each test file; where they stay enabled, each promise of later test files
 * becomes dearer with each.
 */
const stores = watchStores();

/**
 * Node's environment, which fails a test file that leaves something behind: timers, also those that keep no process
 * alive, inspector sessions, V8's heap sampler, worker threads, child processes, servers and sockets.
 */
export default class Environment extends TestEnvironment {
  timers = new Map();
  workers = new Map();

  constructor(config, context) {
    super(config, context);
    const { v8Flags = [] } = config.projectConfig.testEnvironmentOptions;
    v8Flags.forEach(setFlagsFromString);
    this.global.v8Flags = v8Flags;
  }

  async setup() {
    await super.setup();
    this.watchTimers();
    process.on('worker', this.onWorker);
    sessions.clear();
    this.before = resources();
  }

  async teardown() {
    process.off('worker', this.onWorker);
    this.global[Symbol.for('nestjs-pprof/workers')]?.stop?.(); // boots that failed watch for workers as long as the process runs
    await super.teardown();
    for (const store of stores) store.disable();
    stores.clear();
  }

  async handleTestEvent({ name }, state) {
    if (name !== 'run_finish') return;
    const deadline = performance.now() + PATIENCE;
    while (this.left().length > 0 && performance.now() < deadline) await delay(10);
    const left = this.left();
    if (left.length > 0) state.unhandledErrors.push(new Error(`left behind:\n${left.join('\n')}`));
  }

  left() {
    return [
      ...[...this.timers.values()].map((made) => `a timer ${placeOf(made)}`),
      ...[...this.workers.values()].map((made) => `a worker thread ${placeOf(made)}`),
      ...[...sessions.values()].map((made) => `an inspector session ${placeOf(made)}`),
      ...(isHeapSampled() ? ["V8's heap sampler"] : []),
      ...added(this.before, resources()),
    ];
  }

  onWorker = (worker) => {
    this.workers.set(worker, new Error('made'));
    worker.once('exit', () => this.workers.delete(worker));
  };

  watchTimers() {
    const { timers, global } = this;
    for (const kind of ['Timeout', 'Interval']) {
      const set = global[`set${kind}`];
      const clear = global[`clear${kind}`];
      const watched = (callback, ...rest) => {
        const timer = set(
          (...args) => {
            if (kind === 'Timeout') timers.delete(timer);
            callback(...args);
          },
          ...rest,
        );
        timers.set(timer, new Error('made'));
        return timer;
      };
      global[`set${kind}`] = Object.assign(watched, { [promisify.custom]: set[promisify.custom] });
      global[`clear${kind}`] = (timer) => {
        timers.delete(timer);
        clear(timer);
      };
    }
  }
}

function watchSessions() {
  const open = new Map();
  const { connect, disconnect } = Session.prototype;
  Session.prototype.connect = function () {
    connect.call(this);
    open.set(this, new Error('made'));
  };
  Session.prototype.disconnect = function () {
    disconnect.call(this);
    open.delete(this);
  };
  return open;
}

function watchStores() {
  const used = new Set();
  for (const name of ['run', 'enterWith']) {
    const method = AsyncLocalStorage.prototype[name];
    AsyncLocalStorage.prototype[name] = function (...args) {
      used.add(this);
      return method.apply(this, args);
    };
  }
  return used;
}

function isHeapSampled() {
  const session = new Session();
  session.connect();
  let failure;
  session.post('HeapProfiler.getSamplingProfile', (error) => (failure = error));
  session.disconnect();
  return !failure;
}

/** What keeps the process alive, by name. */
function resources() {
  return process.getActiveResourcesInfo().filter((name) => !NOBODYS.test(name));
}

function added(before, after) {
  const rest = [...before];
  return after.filter((name) => {
    const at = rest.indexOf(name);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
}

/** Where it was made, without Node's and this file's own frames. Only what is left needs its stack in words, which takes time. */
function placeOf(made) {
  const lines = made.stack.split('\n').slice(1);
  return (
    lines
      .filter((line) => !/environment\.js|node:|node_modules/.test(line))
      .slice(0, 3)
      .join('\n') || '(in a package)'
  );
}
