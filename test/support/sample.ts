import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFile } from '@swc/core';

/** An application of the folder `sample`. */
export class Sample {
  readonly home: string;
  readonly built: string;

  constructor(name: string) {
    this.home = fileURLToPath(new URL(`../../sample/${name}/`, import.meta.url));
    this.built = join(this.home, `built-${process.pid}`);
  }

  /**
   * Builds it as its `npm run build` does, but in less time: types are not checked.
   *
   * @returns path of the script that starts it
   */
  async build(): Promise<string> {
    mkdirSync(this.built);
    for (const file of readdirSync(join(this.home, 'src'))) {
      const { code, map } = await transformFile(join(this.home, 'src', file), {
        sourceMaps: true,
        sourceFileName: `../src/${file}`,
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
        },
      });
      const name = file.replace(/\.ts$/, '.js');
      writeFileSync(join(this.built, name), `${code}\n//# sourceMappingURL=${name}.map\n`);
      writeFileSync(join(this.built, `${name}.map`), map!);
    }
    return join(this.built, 'main.js');
  }

  /** Deletes what `build` has written. */
  clean(): void {
    rmSync(this.built, { recursive: true, force: true });
  }
}
