import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFile } from '@swc/core';
import { TestProcess } from './process.js';

/** An application of `sample/` that runs. */
export interface Sample {
  /** Scheme, address and port. */
  readonly url: string;
  /** A directory that is gone when it has stopped. */
  readonly temporary: string;
  stop(): Promise<void>;
}

/** Path of a sample. */
export const sampleDirectory = (name: string): string =>
  fileURLToPath(new URL(`../../sample/${name}/`, import.meta.url));

/** Builds a sample, starts it on a free port, and waits until it prints its address. */
export async function startSample(name: string): Promise<Sample> {
  const built = join(sampleDirectory(name), `built-${process.pid}`);
  await build(join(sampleDirectory(name), 'src'), built);
  const app = new TestProcess(process.execPath, [join(built, 'main.js')], { PORT: '0' });
  const [url] = await app.printed(/http:\/\/127\.0\.0\.1:\d+/);
  return {
    url,
    temporary: built,
    async stop() {
      app.kill('SIGTERM');
      await app.exited;
      rmSync(built, { recursive: true, force: true });
    },
  };
}

/** As `npm run build` does, but in less time: types are not checked. */
async function build(from: string, to: string): Promise<void> {
  mkdirSync(to);
  for (const file of readdirSync(from)) {
    const { code, map } = await transformFile(join(from, file), {
      sourceMaps: true,
      sourceFileName: `../src/${file}`,
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
      },
    });
    const name = file.replace(/\.ts$/, '.js');
    writeFileSync(join(to, name), `${code}\n//# sourceMappingURL=${name}.map\n`);
    writeFileSync(join(to, `${name}.map`), map!);
  }
}
