// Fails if src/ has a file that the entry points of the package don't reach: by imports, imports of types, or as the file
// of a worker thread (`new URL('x.js', …)`).
import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SRC = resolve(ROOT, 'src'); // from which the file of a worker is named
const ENTRIES = ['src/index.ts', 'src/preload.ts'];

const reached = new Set();
const pending = ENTRIES.map((entry) => resolve(ROOT, entry));
for (let file = pending.pop(); file; file = pending.pop()) {
  if (reached.has(file)) continue;
  reached.add(file);
  pending.push(...filesNamedIn(file));
}

const sources = ts.sys.readDirectory(resolve(ROOT, 'src'), ['.ts'], ['**/*.spec.ts']);
const unreachable = sources
  .map((file) => relative(ROOT, file))
  .filter((file) => !reached.has(resolve(ROOT, file)));
console.log(`${reached.size} files in src are reachable from ${ENTRIES.join(' and ')}`);
for (const file of unreachable) console.log(`unreachable: ${file}`);
process.exitCode = unreachable.length > 0 ? 1 : 0;

/** The files of ours that a file imports, or starts as workers. */
function filesNamedIn(file) {
  const names = [];
  const visit = (node) => {
    const name = nameIn(node);
    if (name && ts.isStringLiteralLike(name)) names.push(name.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return names
    .filter((name) => name.endsWith('.js'))
    .flatMap((name) => [dirname(file), SRC].map((from) => resolve(from, name.replace(/\.js$/, '.ts'))))
    .filter((path) => existsSync(path));
}

/** The expression that names another file, if the node has one. */
function nameIn(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) return node.argument.literal;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return node.arguments[0];
  if (ts.isNewExpression(node) && node.expression.text === 'URL') return node.arguments?.[0];
  return undefined;
}
