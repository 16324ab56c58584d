// Fails where the public API refers to a type of ours that cannot be imported. After `npm run build`.
import ts from 'typescript';

const ENTRY = 'dist/esm/index.d.ts';

const program = ts.createProgram([ENTRY], { module: ts.ModuleKind.NodeNext, skipLibCheck: true });
const checker = program.getTypeChecker();
const resolved = (symbol) =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY));
const exported = new Set(checker.getExportsOfModule(entry).map(resolved));

const TYPES =
  ts.SymbolFlags.Class | ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Enum;
const isOurs = (symbol) =>
  symbol.declarations?.some((node) => node.getSourceFile().fileName.includes('/dist/esm/')) ?? false;
const isHidden = (node) =>
  (ts.getCombinedModifierFlags(node) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;

const missing = new Set();
function visit(node, owner) {
  if (ts.isClassElement(node) && isHidden(node)) return;
  const name = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isExpressionWithTypeArguments(node)
      ? node.expression
      : undefined;
  if (name) {
    const symbol = checker.getSymbolAtLocation(name);
    const type = symbol && resolved(symbol);
    if (type && (type.flags & TYPES) !== 0 && isOurs(type) && !exported.has(type))
      missing.add(`${owner} refers to ${type.name}, which src/index.ts does not export`);
  }
  node.forEachChild((child) => visit(child, owner));
}
for (const symbol of exported)
  for (const declaration of symbol.declarations ?? []) visit(declaration, symbol.name);

if (missing.size > 0) {
  console.error([...missing].join('\n'));
  process.exit(1);
}
console.log(`the public API has ${exported.size} names and refers to no other type of ours`);
