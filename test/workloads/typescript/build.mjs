// Builds the application in src/ in the ways that are asked for, of all that people do: each argument is `name=directory`.
// The directories are beside src/, so that the paths to test/workloads/apps lead there from all of them.
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

const home = dirname(fileURLToPath(import.meta.url));

/** As in the apps of JavaScript: what is no file of src/ is loaded at run time. */
const OUTSIDE = ['../../apps/*'];

/** As `tsc -p` does. That the types are right is seen to elsewhere, so it need not read what they are made of. */
function tsc(directory, more) {
  const { options, errors } = ts.convertCompilerOptionsFromJson(
    {
      target: 'es2022',
      module: 'nodenext',
      rootDir: join(home, 'src'),
      outDir: directory,
      esModuleInterop: true,
      types: [],
      noCheck: true,
      noLib: true,
      ...more,
    },
    home,
  );
  const { emitSkipped } = ts.createProgram([join(options.rootDir, 'main.ts')], options).emit();
  if (emitSkipped || errors.length > 0) throw new Error(`${directory}: ${JSON.stringify(errors)}`);
}

async function swc(directory) {
  const { transformFile } = await import('@swc/core');
  for (const file of await readdir(join(home, 'src'))) {
    const path = join(home, 'src', file);
    const { code, map } = await transformFile(path, {
      sourceMaps: true,
      sourceFileName: relative(directory, path),
      module: { type: 'commonjs' },
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    });
    const built = file.replace(/\.ts$/, '.js');
    await writeFile(join(directory, built), `${code}\n//# sourceMappingURL=${built}.map\n`);
    await writeFile(join(directory, `${built}.map`), map);
  }
}

async function esbuild(directory, options) {
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

async function webpack(directory) {
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
async function enlargeMap(directory) {
  const file = join(directory, 'hot.js.map');
  const map = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...map, sourcesContent: ['// and much more\n'.repeat(100_000)] }));
}

const COMMON_JS = { module: 'commonjs', moduleResolution: 'bundler' };

const BUILDS = {
  'tsc-esm': (to) => tsc(to, { sourceMap: true }),
  'tsc-inline': (to) => tsc(to, { ...COMMON_JS, inlineSourceMap: true }),
  'tsc-root': (to) => tsc(to, { ...COMMON_JS, sourceMap: true, sourceRoot: join(home, 'src') }),
  'waiting-esm': (to) =>
    tsc(to, { sourceMap: true, experimentalDecorators: true, rootDir: join(home, 'waiting') }),
  'tracing-esm': (to) =>
    tsc(to, { sourceMap: true, experimentalDecorators: true, rootDir: join(home, 'tracing') }),
  swc,
  'esbuild-esm': (to) => esbuild(to, { format: 'esm' }),
  'esbuild-external': (to) => esbuild(to, { format: 'cjs', sourcemap: 'external' }),
  'esbuild-min': (to) => esbuild(to, { format: 'cjs', minify: true }),
  webpack,
  'large-map': async (to) => {
    tsc(to, { ...COMMON_JS, sourceMap: true });
    await enlargeMap(to);
  },
  'large-map-esm': async (to) => {
    tsc(to, { sourceMap: true });
    await enlargeMap(to);
  },
  'no-map': (to) => tsc(to, { ...COMMON_JS }),
  'broken-map': async (to) => {
    tsc(to, { ...COMMON_JS, sourceMap: true });
    const map = join(to, 'hot.js.map');
    await writeFile(map, (await readFile(map, 'utf8')).slice(0, -20));
  },
};

for (const argument of process.argv.slice(2)) {
  const [name, directory] = argument.split('=');
  await mkdir(directory, { recursive: true });
  const type = name.endsWith('-esm') ? 'module' : 'commonjs';
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type }));
  // With a package.json of its own it is no part of this package any more, which then is found as any other.
  await mkdir(join(directory, 'node_modules'));
  await symlink(join(home, '../../..'), join(directory, 'node_modules/nestjs-pprof'), 'junction');
  await BUILDS[name](directory);
}
