import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/async.js';
import { describeGo, expectNoComplaints } from '../support/go.js';
import { parseDump } from '../support/goroutine-dump.js';
import { request } from '../support/http.js';
import { TestProcess } from '../support/process.js';
import { Sample } from '../support/sample.js';

const sample = new Sample('03-slow-service');
const readme = readFileSync(join(sample.home, 'README.md'), 'utf8');

/** A section of the README that finds a fault. */
interface Step {
  readonly title: string;
  /** Makes the traffic, and then shows the profile. */
  readonly commands: string;
  /** Functions and the places in them, as the README's excerpt of what the commands print has them: `pay`, `a.ts:7`. */
  readonly shown: readonly { readonly name: string; readonly place: string }[];
  /** The line of the fault, and the code in it. */
  readonly fault: { readonly code: string; readonly file: string; readonly line: number };
}

/** A function and its place in a table of `go tool pprof`, a text (`debug=1`) and a dump of goroutines (`debug=2`). */
const PLACE = /(\S+?)(?:\+0x0|\(\.\.\.\))?\s+\S*\/src\/(\S+\.ts:\d+)$/gm;

const steps = readme
  .split(/^## /m)
  .filter((section) => section.includes('debug/pprof'))
  .map(stepOf);

function stepOf(section: string): Step {
  const [commands, excerpts] = ['sh', 'text'].map((kind) =>
    [...section.matchAll(new RegExp(`^\`\`\`${kind}\n([^]*?)^\`\`\``, 'gm'))]
      .map(([, text]) => text!)
      .join(''),
  );
  const [, code, file, line] = /\[`(.+?)`\]\(src\/(.+?)#L(\d+)\)/.exec(section)!;
  return {
    title: section.split('\n', 1)[0]!,
    commands: commands!,
    shown: [...excerpts!.matchAll(PLACE)].map(([, name, place]) => ({ name: name!, place: place! })),
    fault: { code: code!, file: file!, line: Number(line) },
  };
}

describeGo("the README's commands on sample/03-slow-service", () => {
  let shop: TestProcess;
  let url: string;

  beforeAll(async () => {
    shop = new TestProcess(process.execPath, [await sample.build()], { PORT: '0' });
    [, url] = (await shop.printed(/A slow shop at http:\/\/(\S+)\. /)) as unknown as [string, string];
  });
  afterAll(async () => {
    shop.kill('SIGTERM');
    await shop.exited;
    sample.clean();
  });

  it('are those of four faults', () => {
    expect(steps.map(({ fault }) => fault.file)).toEqual([
      'payments.service.ts',
      'database-pool.ts',
      'orders.controller.ts',
      'reports.controller.ts',
    ]);
  });

  describe.each(steps)('$title', ({ commands, shown, fault: { code, file, line } }) => {
    it('has the line of the fault in what it prints', () => {
      expect(shown.map(({ place }) => place)).toContain(`${file}:${line}`);
      const lines = readFileSync(join(sample.home, 'src', file), 'utf8').split('\n');
      expect(lines[line - 1]!.trim()).toBe(code);
    });

    it('finds the fault', async () => {
      const missing = await until(
        () => notShown(commands.replaceAll('localhost:3000', url), shown),
        (places) => [...places],
      );
      expect(missing).toEqual([]);
    });
  });

  it('show a dump that readers of goroutine dumps read', async () => {
    const [pending] = await until(
      async () => {
        await request(`http://${url}/orders/1/confirmation?to=nobody`, { method: 'POST' });
        const { text } = await request(`http://${url}/debug/pprof/goroutine?debug=2`);
        return parseDump(text).filter(({ state }) => state === 'chan receive');
      },
      (found) => (found.length > 0 ? [] : ['a pending await']), // V8 may have collected it
    );
    expect(pending!.labels).toEqual({ route: 'POST /orders/:id/confirmation' });
    expect(pending!.stack[0]!.name).toBe('OrdersController.sendConfirmation');
    expect(pending!.createdBy!.name).toBe('OrdersController.confirm');
  });
});

/** Places that the commands do not print. */
async function notShown(commands: string, places: Step['shown']): Promise<Step['shown']> {
  const shell = new TestProcess('sh', ['-ec', commands], { PPROF_TMPDIR: sample.built, NO_PROXY: '*' });
  const code = await shell.exited;
  expect({ code, output: code === 0 || shell.output }).toEqual({ code: 0, output: true });
  expectNoComplaints(shell.stderr);
  const printed = new Set([...shell.output.matchAll(PLACE)].map(([, name, place]) => `${name} ${place}`));
  return places.filter(({ name, place }) => !printed.has(`${name} ${place}`));
}
