'use strict';
/* oxlint-disable unicorn/require-post-message-target-origin -- it is no window */
// Runs in a worker thread, so that its own waits are not those of the service. By TCP it answers `slow` after 50 ms, and nothing
// else; by HTTP after 50 ms, `/stream` at once but with a body that takes as long; by messages after 50 ms.
const { createServer: createHttpServer } = require('node:http');
const { createServer } = require('node:net');
const { parentPort } = require('node:worker_threads');

const LONG = 50;
const PARTS = 5;

const tcp = createServer((socket) => {
  socket.on('data', (data) => {
    if (`${data}` === 'slow') setTimeout(() => socket.write('done'), LONG);
  });
  socket.on('error', () => {});
});

const http = createHttpServer((request, response) => {
  if (request.url !== '/stream') return void setTimeout(() => response.end('done'), LONG);
  response.flushHeaders();
  let left = PARTS;
  const timer = setInterval(() => {
    response.write('part');
    if (--left > 0) return;
    clearInterval(timer);
    response.end();
  }, LONG / PARTS);
});

parentPort.on('message', (message) => setTimeout(() => parentPort.postMessage(message), LONG));

const listening = [tcp, http].map(
  (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port))),
);
Promise.all(listening).then(([tcp, http]) => parentPort.postMessage({ tcp, http }));
