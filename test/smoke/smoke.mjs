// Smoke test of the installed package: a small application boots (ES module and CommonJS, Express and Fastify), answers
// every endpoint, and its profiles decode with a known function in them.
//
//     node test/smoke/smoke.mjs <directory> [pprof|inspector]
//
// The directory is one in which nestjs-pprof and Nest with both adapters are installed; the second argument is the sampler
// that is expected there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';

const [directory, sampler = 'pprof'] = process.argv.slice(2);
if (!directory) throw new Error('usage: node test/smoke/smoke.mjs <directory> [pprof|inspector]');

/** Ends what hangs. All checks together take some seconds. */
const LIMIT_MS = 120_000;

const TEXT = 'text/plain; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
const BINARY = 'application/octet-stream';

/** Go's contract in short: request, status, content type, text (all of it, or what it matches), and headers. */
const CONTRACT = [
  ['GET', '', 307, TEXT, 'Temporary Redirect\n', { location: 'pprof/' }],
  ['GET', '?debug=1', 307, TEXT, 'Temporary Redirect\n', { location: 'pprof/?debug=1' }],
  ['GET', '/', 200, HTML, /Types of profiles available:/],
  ['GET', '/cmdline', 200, TEXT, /\0.*main\.[cm]js$/],
  ['GET', '/symbol?0x1', 200, TEXT, 'num_symbols: 1\n'],
  ['POST', '/symbolz', 200, TEXT, 'num_symbols: 1\n'],
  ['GET', '/heap?debug=1', 200, TEXT, /^heap profile: [^]*\n# runtime\.MemStats\n/],
  ['GET', '/allocs?debug=1', 200, TEXT, /^heap profile: /],
  ['GET', '/threadcreate?debug=1', 200, TEXT, /^threadcreate profile: total /],
  ['GET', '/mutex?debug=1', 200, TEXT, '--- mutex:\ncycles/second=1000000000\nsampling period=1\n'],
  ['HEAD', '/profile', 200, BINARY, '', { 'content-disposition': 'attachment; filename="profile"' }],
  ['HEAD', '/h%65ap', 200, BINARY, '', { 'content-disposition': 'attachment; filename="heap"' }],
  ['GET', '/profile?seconds=301', 400, TEXT, 'seconds exceeds the maximum of 300\n'],
  ['GET', '/heap?seconds=0', 400, TEXT, 'invalid value for "seconds" - must be a positive integer\n'],
  ['GET', '/heap?seconds=1&debug=1', 400, TEXT, 'seconds and debug params are incompatible\n'],
  ['GET', '/heap%', 400, TEXT, 'invalid URL escape\n'],
  ['GET', '/nope', 404, TEXT, 'Unknown profile\n'],
  ['GET', '/heap/', 404, TEXT, 'Unknown profile\n'],
  ['GET', '/HEAP', 404, TEXT, 'Unknown profile\n'],
  ['POST', '/heap', 405, TEXT, 'Method Not Allowed\n', { allow: 'GET, HEAD' }],
  ['PUT', '/nope', 405, TEXT, 'Method Not Allowed\n', { allow: 'GET, HEAD' }],
  ['HEAD', '/trace', 200, BINARY, '', { 'content-disposition': 'attachment; filename="trace"' }],
  ['GET', '/trace?seconds=0.05', 200, BINARY, /^go 1\.19 trace\0\0\0/, {}],
  ['GET', '/trace?seconds=0.05&format=json', 200, BINARY, /^\{"/, {}],
  ['GET', '/trace?format=x', 400, TEXT, 'invalid value for "format" - must be go or json\n'],
];

const GUARDED = ['/', '/cmdline', '/heap', '/profile?seconds=1', '/allocs', '/nope'];

cpSync(fileURLToPath(new URL('app', import.meta.url)), directory, { recursive: true });
const applications = ['main.mjs', 'main.cjs'].flatMap((file) =>
  ['express', 'fastify'].map((adapter) => ({ file, adapter })),
);
const failures = (await Promise.all(applications.map(check))).reduce((sum, failed) => sum + failed, 0);
console.log(`Node ${process.version}: ${failures === 0 ? 'all checks passed' : `${failures} checks failed`}`);
process.exitCode = failures > 0 ? 1 : 0;

/** Checks an application, prints a line for each check, and returns how many failed. */
async function check({ file, adapter }) {
  const lines = [];
  const app = start(file, adapter);
  const attempt = async (title, run) => {
    try {
      await run();
      lines.push(`ok      ${file} ${adapter}: ${title}`);
    } catch (error) {
      lines.push(`FAILED  ${file} ${adapter}: ${title}\n${error.message}`);
    }
  };
  await attempt('the application boots', async () => {
    [, app.open, app.guarded] = await app.printed(/^ready (\S+) (\S+)\n/m);
  });
  if (app.open) await checkAnswers(app, attempt);
  await app.stop();
  if (lines.some((line) => line.startsWith('FAILED'))) lines.push(app.output);
  console.log(lines.join('\n'));
  return lines.filter((line) => line.startsWith('FAILED')).length;
}

async function checkAnswers(app, attempt) {
  for (const [method, path, ...expected] of CONTRACT) {
    await attempt(`${method} ${path || 'the path without a slash'} is ${expected[0]}`, async () => {
      checkAnswer(await request(app.open + path, { method }), expected);
    });
  }
  for (const path of GUARDED) {
    await attempt(`GET ${path} behind a guard is 401 without credentials`, async () => {
      const answer = await request(app.guarded + path);
      checkAnswer(answer, [401, TEXT, 'Unauthorized\n', { 'www-authenticate': 'Basic realm="ops"' }]);
    });
  }
  await attempt('GET /cmdline behind a guard is 200 with credentials', async () => {
    const authorization = `Basic ${btoa('user:pass')}`;
    assert.equal((await request(`${app.guarded}/cmdline`, { headers: { authorization } })).status, 200);
  });
  await attempt(`GET /heap is a profile by ${sampler} that has holdObjects`, async () => {
    checkProfile(await request(`${app.open}/heap`), 'holdObjects', sampler);
  });
  await attempt('GET /profile is a profile by inspector that has burnCpu', async () => {
    app.work();
    checkProfile(await request(`${app.open}/profile?seconds=1`), 'burnCpu', 'inspector');
  });
  const notices = sampler === 'inspector' ? 2 : 0; // one for each of its two modules
  await attempt(`the log has ${notices} lines about the missing package pprof`, () => {
    const lines = app.output.split('\n').filter((line) => /cannot be loaded/.test(line));
    assert.equal(lines.length, notices, lines.join('\n'));
  });
}

/** Starts an application in the directory. */
function start(file, adapter) {
  const env = { ...process.env, ADAPTER: adapter, NODE_ENV: 'development', NODE_OPTIONS: '', NO_COLOR: '1' };
  const child = spawn(process.execPath, [join(resolve(directory), file)], { env });
  child.stdin.on('error', () => undefined); // it may have ended
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const exited = new Promise((done) => child.once('close', done)).finally(() => clearTimeout(timer));
  const app = {
    output: '',
    work: () => child.stdin.write('work\n'),
    stop: () => (child.stdin.end(), exited),
    printed: (pattern) =>
      new Promise((found, failed) => {
        const look = () => pattern.test(app.output) && found(pattern.exec(app.output));
        for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
        void exited.then(() => failed(new Error(`ended before it printed ${pattern}`)));
      }),
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => (app.output += chunk));
  }
  return app;
}

async function request(url, options) {
  const answer = await fetch(url, { redirect: 'manual', ...options });
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
}

function checkAnswer({ status, headers, body }, [expectedStatus, type, text, expectedHeaders = {}]) {
  assert.equal(status, expectedStatus, body.toString());
  if (typeof text === 'string') assert.equal(body.toString(), text);
  else assert.match(body.toString(), text);
  const expected = {
    'content-type': type,
    'cache-control': 'no-store, no-transform',
    'x-content-type-options': 'nosniff',
    'x-go-pprof': status >= 300 ? '1' : null,
    ...expectedHeaders,
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(headers.get(name), value, name);
}

/** Presence only: how much a function has is for the tests of truth. */
function checkProfile({ status, headers, body }, name, by) {
  assert.equal(status, 200, body.toString());
  assert.equal(headers.get('content-encoding'), null);
  const profile = Profile.decode(gunzipSync(body));
  const text = (index) => profile.stringTable.strings[Number(index)];
  const comments = profile.comment.map(text).join('\n');
  assert.equal(/\bby (\w+)/.exec(comments)?.[1], by, comments);

  const functions = new Set(profile.function.filter((one) => text(one.name) === name).map(({ id }) => id));
  const locations = new Set(
    profile.location
      .filter(({ line }) => line.some((at) => functions.has(at.functionId)))
      .map(({ id }) => id),
  );
  const samples = profile.sample.filter(({ locationId }) => locationId.some((id) => locations.has(id)));
  const all = profile.function.map((one) => text(one.name)).join(', ');
  assert.ok(samples.length > 0, `no sample has ${name}; functions: ${all}`);
}
