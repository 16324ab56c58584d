// Reads what `npm pack --dry-run --json` prints, and fails if a file is missing in the package or does not belong there.
import { text } from 'node:stream/consumers';

const NEEDED = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/cjs/package.json',
  'dist/esm/preload.js',
  ...['esm', 'cjs'].flatMap((kind) => [`dist/${kind}/index.js`, `dist/${kind}/index.d.ts`]),
];
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/cjs\/package\.json$/,
  /^dist\/(esm|cjs)\/.+\.(js|js\.map|d\.ts)$/,
  /^src\/.+\.ts$/,
];

const [{ files, size, unpackedSize }] = Object.values(JSON.parse(await text(process.stdin)));
const paths = files.map(({ path }) => path);
const missing = NEEDED.filter((path) => !paths.includes(path));
const strange = paths.filter((path) => !ALLOWED.some((rule) => rule.test(path)) || path.includes('.spec.'));

console.log(`${paths.length} files, ${size} bytes packed, ${unpackedSize} unpacked`);
for (const path of missing) console.log(`missing: ${path}`);
for (const path of strange) console.log(`not to be published: ${path}`);
process.exitCode = missing.length + strange.length > 0 ? 1 : 0;
