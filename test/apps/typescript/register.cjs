'use strict';
// Compiles TypeScript when it is loaded, as ts-node and the like do: what V8 runs is in no file.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const ts = require('typescript');

const COMPILER_OPTIONS = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  esModuleInterop: true,
  inlineSourceMap: true,
};

/* oxlint-disable no-underscore-dangle -- that is what Node calls them */

Module._extensions['.ts'] = (module, file) => {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    fileName: file,
    compilerOptions: COMPILER_OPTIONS,
  });
  module._compile(outputText, file);
};

// As TypeScript has it, a .ts file is imported as .js.
const { _resolveFilename: resolve } = Module;
Module._resolveFilename = function resolveFilename(name, parent, ...rest) {
  const isTypeScript = name.startsWith('./') && parent?.filename?.endsWith('.ts');
  return resolve.call(this, isTypeScript ? name.replace(/\.js$/, '.ts') : name, parent, ...rest);
};
