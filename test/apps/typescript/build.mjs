// Builds the application in src/ in all the ways that people do, one of which is named by the first argument, into a
// directory beside src/, so that the paths to test/apps lead there from both.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const home = dirname(fileURLToPath(import.meta.url));
const [, , name, directory] = process.argv;

/** As in the apps of JavaScript: what is no file of src/ is loaded at run time. */
const OUTSIDE = ['../../*.cjs'];

async function tsc(options) {
  const project = join(directory, 'tsconfig.json');
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    rootDir: '../src',
    outDir: '.',
    strict: true,
    esModuleInterop: true,
    types: ['node'],
    ...options,
  };
  await writeFile(project, JSON.stringify({ compilerOptions, files: ['../src/main.ts'] }));
  await promisify(execFile)(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', project]);
}

/** @param module `commonjs` or `es6` */
async function swc(module) {
  const { transformFile } = await import('@swc/core');
  for (const file of await readdir(join(home, 'src'))) {
    const path = join(home, 'src', file);
    const { code, map } = await transformFile(path, {
      sourceMaps: true,
      sourceFileName: relative(directory, path),
      module: { type: module },
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    });
    const built = file.replace(/\.ts$/, '.js');
    await writeFile(join(directory, built), `${code}\n//# sourceMappingURL=${built}.map\n`);
    await writeFile(join(directory, `${built}.map`), map);
  }
}

async function esbuild(options) {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: home,
    entryPoints: ['src/main.ts'],
    outfile: join(directory, 'main.js'),
    bundle: true,
    packages: 'external',
    external: OUTSIDE,
    platform: 'node',
    sourcemap: true,
    logLevel: 'error',
    ...options,
  });
}

async function webpack() {
  const { default: run } = await import('webpack');
  const stats = await promisify(run)({
    mode: 'production',
    target: 'node',
    context: home,
    entry: './src/main.ts',
    devtool: 'source-map',
    output: { path: directory, filename: 'main.js' },
    resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
    module: { rules: [{ test: /\.ts$/, use: join(home, 'typescript-loader.cjs') }] },
    externals: [
      ({ request }, done) => (/^\.\/|main\.ts$/.test(request) ? done() : done(null, `commonjs ${request}`)),
    ],
  });
  if (stats.hasErrors()) throw new Error(stats.toString());
}

/** Makes the map of hot.ts that of a large bundle, by what is in it besides. */
async function enlargeMap() {
  const file = join(directory, 'hot.js.map');
  const map = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...map, sourcesContent: ['// and much more\n'.repeat(100_000)] }));
}

/** Makes a bundle one whose map is read ahead. */
const LARGE = `/* ${'and much more '.repeat(80_000)}*/`;

/** Nothing is built: TypeScript is compiled when it is loaded. */
function inMemory() {
  return writeFile(join(directory, 'main.js'), "require('../register.cjs');\nrequire('../src/main.ts');\n");
}

const COMMON_JS = { module: 'commonjs', moduleResolution: 'bundler' };

const BUILDS = {
  'tsc-esm': () => tsc({ sourceMap: true }),
  'tsc-inline': () => tsc({ ...COMMON_JS, inlineSourceMap: true }),
  'tsc-root': () => tsc({ ...COMMON_JS, sourceMap: true, sourceRoot: join(home, 'src') }),
  swc: () => swc('commonjs'),
  'esbuild-esm': () => esbuild({ format: 'esm' }),
  'esbuild-external': () => esbuild({ format: 'cjs', sourcemap: 'external' }),
  'esbuild-min': () => esbuild({ format: 'cjs', minify: true, banner: { js: LARGE } }),
  webpack,
  'large-map': () => swc('commonjs').then(enlargeMap),
  'large-map-esm': () => swc('es6').then(enlargeMap),
  'in-memory': inMemory,
  'no-map': () => tsc({ ...COMMON_JS }),
  'broken-map': async () => {
    await tsc({ ...COMMON_JS, sourceMap: true });
    const map = join(directory, 'hot.js.map');
    await writeFile(map, (await readFile(map, 'utf8')).slice(0, -20));
  },
};

await mkdir(directory, { recursive: true });
const type = name.endsWith('-esm') ? 'module' : 'commonjs';
await writeFile(join(directory, 'package.json'), JSON.stringify({ type }));
// With a package.json of its own it is no part of this package any more, which then is found as any other.
await mkdir(join(directory, 'node_modules'));
await symlink(join(home, '../../..'), join(directory, 'node_modules/nestjs-pprof'), 'junction');
await BUILDS[name]();
