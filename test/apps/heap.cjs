'use strict';
const library = require('nestjs-pprof');
const handlers = require('./hold.cjs');
const { announce, serve } = require('./serve.cjs');

serve(library, handlers).then(announce);
