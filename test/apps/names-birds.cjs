'use strict';
const spend = require('./names-spend.cjs');

/** Of another file and another module system than names.mjs, with a method that has a namesake there. */
exports.BirdsService = class BirdsService {
  findOne() {
    return spend();
  }
};
