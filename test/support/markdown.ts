import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A block of code of a Markdown file. */
export interface CodeBlock {
  readonly code: string;
  /** The Markdown file and the line of the block. */
  readonly place: string;
}

/** The blocks of one language in a file of the repository. */
export function codeBlocks(file: string, language: string): CodeBlock[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'gm'))].map(
    ({ 1: code, index }) => ({ code: code!, place: `${file}:${text.slice(0, index).split('\n').length}` }),
  );
}

/** What a block lacks that begins with a call of the module: it exports what that returns. */
const FRAGMENT = "import { PprofModule } from 'nestjs-pprof';\nexport default ";

/**
 * Puts TypeScript blocks into a directory and compiles them all at once, strictly, against the built package. The first line of a
 * block can be a comment with the name of its file, by which other blocks import it.
 *
 * @returns the compiled files, in the order of the blocks, and the compiler's complaints
 */
export function compileBlocks(
  directory: string,
  blocks: readonly CodeBlock[],
): { files: string[]; complaints: string } {
  mkdirSync(join(directory, 'src'));
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  const names = blocks.map(({ code, place }) => {
    const name = /^\/\/ ([\w.-]+)\.ts\n/.exec(code)?.[1] ?? place.replace(/\W/g, '-');
    writeFileSync(
      join(directory, 'src', `${name}.ts`),
      code.startsWith('PprofModule') ? FRAGMENT + code : code,
    );
    return name;
  });
  const compilerOptions = { noEmit: false, rootDir: 'src', outDir: 'js', noUnusedParameters: false };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['src'] };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  return { files: names.map((name) => `js/${name}.js`), complaints: tsc(directory) };
}

function tsc(directory: string): string {
  try {
    return execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', directory], {
      encoding: 'utf8',
    });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
