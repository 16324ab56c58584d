'use strict';
// For --require: the package `pprof` is there and was never built.
const { prototype } = require('node:module');

const { require: original } = prototype;
prototype.require = function (id) {
  return id === 'bindings' ? noBindings : original.call(this, id);
};

/** In place of the package by which `pprof` finds what was built. */
function noBindings() {
  throw new Error('Could not locate the bindings file. Tried:\n → here\n → there');
}
