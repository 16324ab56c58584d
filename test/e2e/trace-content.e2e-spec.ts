import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setTimeout as nodeTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  Get,
  type NestInterceptor,
  Param,
  ParseIntPipe,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { RecordedTrace, traceBytes } from '../support/recorded-trace.js';
import { request } from '../support/http.js';
import { readTraceEvents } from '../support/trace-event-reader.js';
class CatGuard {
  async canActivate(): Promise<boolean> {
    await nextTurn();
    return true;
  }
}
class CatInterceptor implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler) {
    return next.handle();
  }
}
let gate: PromiseWithResolvers<void>;
let silent: Server;

@Controller('cats')
@UseGuards(CatGuard)
@UseInterceptors(CatInterceptor)
class CatsController {
  @Get('wait/:id')
  async onPromise(): Promise<string> {
    await gate.promise;
    return 'waited';
  }
  @Get('open')
  open(): string {
    gate.resolve();
    return 'opened';
  }
  @Get('timer/:id')
  async onTimer(): Promise<string> {
    await new Promise((resolve) => nodeTimeout(resolve, 1));
    return 'slept';
  }
  @Get('file/:id')
  async onFile(): Promise<number> {
    return (await readFile(fileURLToPath(import.meta.url))).length;
  }
  @Get('socket/:id')
  async onSocket(): Promise<string> {
    const { port } = silent.address() as AddressInfo;
    await new Promise((resolve) => connect(port, '127.0.0.1').resume().once('close', resolve));
    return 'closed';
  }
  @Get(':id')
  findOne(@Param('id', ParseIntPipe) id: number): string {
    return `cat ${id}`;
  }
}

describe.each(ADAPTERS)('a trace on %s', (adapter) => {
  let app: TestApp;
  beforeAll(async () => {
    silent = createServer((socket) => socket.end('bye')).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    app = await startApp(adapter, { controllers: [CatsController], pprof: { profileComments: ['service cats'] } });
  });
  beforeEach(() => {
    let resolve!: () => void;
    const promise = new Promise<void>((r) => (resolve = r));
    gate = { promise, resolve } as never;
  });
  afterAll(async () => { await closeApps(); silent.close(); });

  it('draft', async () => {
    for (const paths of [['7'], ['7', '8'], ['timer/1'], ['file/1'], ['socket/1'], ['wait/1', 'open']]) {
      const t0 = performance.now();
      const recorded = await RecordedTrace.of(app, () => Promise.all(paths.map((path) => request(`${app.url}/cats/${path}`))));
      const { trace } = recorded;
      const lines: unknown[] = [paths, performance.now() - t0];
      for (const task of trace.tasks) lines.push(['task', task, recorded.logs(task.id), recorded.wakers(task.goroutine)]);
      for (const [id, g] of trace.goroutines) lines.push(['g', id, g.name, g.ended !== undefined, JSON.stringify(g.waits), recorded.regions(id).map((r) => `${r.name} ${r.task} ${r.begin - g.created}-${r.end! - g.created}`)]);
      lines.push(recorded.logs(0), trace.samples.length);
      (await import('node:fs')).appendFileSync(`/tmp/e18/${adapter}.txt`, lines.map((l) => (typeof l === 'string' ? l : JSON.stringify(l))).join('\n') + '\n\n');
    }
    const bytes = await traceBytes(app, () => request(`${app.url}/cats/7`), { format: 'json' });
    (await import('node:fs')).writeFileSync(`/tmp/e18/${adapter}.json`, bytes);
    readTraceEvents(String(bytes));
  });
});
