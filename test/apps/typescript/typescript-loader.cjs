'use strict';
const ts = require('typescript');

/** For webpack: a module of TypeScript, without a check of its types. */
module.exports = function load(source) {
  const { outputText, sourceMapText } = ts.transpileModule(source, {
    fileName: this.resourcePath,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      sourceMap: true,
      inlineSources: true, // without, webpack has no names
    },
  });
  this.callback(null, outputText, { ...JSON.parse(sourceMapText), sources: [this.resourcePath] });
};
