// A Nest application's service that holds the event loop, and tells for how long.
import { readFileSync } from 'node:fs';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { decorate } from './application.mjs';
import { turn } from './heartbeat.mjs';

const IN_A_ROW = 500;
const SHORT_MS = 0.4;
const LOOP_MS = 200;
const JSON_BYTES = 20e6;
export const LARGE_FILE_BYTES = 256 * 2 ** 20;

/** What each does, by the name of its method. */
export const HOLDS = {
  loop: 'a loop of 200 ms',
  parse: '`JSON.parse` of 20 MB',
  read: '`readFileSync` of 256 MB',
  immediates: '500 `setImmediate` callbacks of 0.4 ms in a row',
  microtasks: '500 `await` of what is there, with 0.4 ms of work between them',
};

/** Its methods await something before they hold, as services do. Each gives the milliseconds that it has measured. */
class HoldsService {
  constructor(file) {
    this.file = file;
  }

  async loop() {
    await turn();
    return timed(() => spin(LOOP_MS));
  }

  async parse() {
    const text = largeJson();
    await turn();
    return timed(() => parseLarge(text));
  }

  async read() {
    await turn();
    return timed(() => readLarge(this.file));
  }

  async immediates() {
    await turn();
    const times = [];
    await new Promise((resolve) => {
      for (let i = 1; i <= IN_A_ROW; i++) {
        setImmediate(() => {
          times.push(performance.now());
          shortCallback();
          if (i === IN_A_ROW) resolve();
        });
      }
    });
    return performance.now() - times[0];
  }

  async microtasks() {
    await turn();
    const begin = performance.now();
    for (let i = 0; i < IN_A_ROW; i++) {
      shortStep();
      await undefined;
    }
    return performance.now() - begin;
  }
}

class HoldsController {
  constructor(holds) {
    this.holds = holds;
  }

  async hold(kind) {
    return { ms: await this.holds[kind]() };
  }
}
decorate(HoldsController, 'hold', [Get(':kind')], [Param('kind')]);
Inject(HoldsService)(HoldsController, undefined, 0);
Controller('holds')(HoldsController);

/** @param file what is read */
export function holdsModule(file) {
  const holds = { provide: HoldsService, useValue: new HoldsService(file) };
  return { module: class HoldsModule {}, controllers: [HoldsController], providers: [holds] };
}

function timed(hold) {
  const begin = performance.now();
  hold();
  return performance.now() - begin;
}

function spin(ms) {
  for (const until = performance.now() + ms; performance.now() < until;);
}

function shortCallback() {
  spin(SHORT_MS);
}

function shortStep() {
  spin(SHORT_MS);
}

function parseLarge(text) {
  JSON.parse(text);
}

function readLarge(file) {
  readFileSync(file);
}

let json;

function largeJson() {
  json ??= JSON.stringify(
    Array.from({ length: JSON_BYTES / 100 }, (_, id) => ({ id, name: `cat ${id}`.padEnd(73), tags: [id] })),
  );
  return json;
}
