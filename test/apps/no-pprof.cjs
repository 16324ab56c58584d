'use strict';
// For --require: to `require`, the package `pprof` is there and was never built.
const { prototype } = require('node:module');

const { require: original } = prototype;
prototype.require = function (id) {
  if (id === 'pprof') throw new Error('Could not locate the bindings file. Tried:\n → here\n → there');
  return original.call(this, id);
};
