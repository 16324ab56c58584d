/**
 * Faults that `npm test` has to notice. In `file`, the text `find` occurs once and is replaced by `replace`; the result still
 * compiles. `tests` are patterns of the test files that are expected to fail; all of them if it is left out or empty.
 */
export const FAULTS = [
  // HTTP
  {
    title: 'an unknown name is 404 before the guards are asked',
    file: 'src/http/pprof.guard.ts',
    find: 'const { mount } = this.exchange(context);',
    replace: `const { mount, target } = this.exchange(context);
    if (target.kind === 'name' && !mount.endpoint(target.name)) throw goException('unknownProfile');`,
    tests: ['test/e2e/guards'],
  },
  {
    title: 'a method that an endpoint does not take is 404 instead of 405',
    file: 'src/http/controllers/fallback.controller.ts',
    find: 'goError(status, message, {',
    replace: 'goError(status - 1, message, {',
    tests: ['test/e2e/names'],
  },
  {
    title: 'a POST of an unknown name is 404 instead of 405',
    file: 'src/http/controllers/fallback.controller.ts',
    find: "if (endpoint || !['GET', 'HEAD'].includes(request.method))",
    replace: 'if (endpoint)',
    tests: ['test/e2e/names'],
  },
  {
    title: 'names are not percent-decoded',
    file: 'src/http/front-door.ts',
    find: 'brokenEscape ? rawPath : percentDecoded(rawPath)',
    replace: 'percentDecoded(rawPath) && rawPath',
    tests: ['test/e2e/names'],
  },
  {
    title: 'names are percent-decoded twice',
    file: 'src/http/front-door.ts',
    find: 'brokenEscape ? rawPath : percentDecoded(rawPath)',
    replace: 'brokenEscape ? rawPath : percentDecoded(percentDecoded(rawPath))',
    tests: ['test/e2e/names'],
  },
  {
    title: 'a profile has a Content-Encoding',
    file: 'src/http/answer.ts',
    find: "'content-type': 'application/octet-stream',",
    replace: "'content-type': 'application/octet-stream', 'content-encoding': 'gzip',",
    tests: ['test/e2e/heap'],
  },
  {
    title: "the application's compression may compress replies",
    file: 'src/http/answer.ts',
    find: "'no-store, no-transform'",
    replace: "'no-store'",
    tests: ['test/e2e/heap'],
  },
  {
    title: 'writeTimeout allows a capture that takes exactly as long',
    file: 'src/http/pprof-handler.ts',
    find: 'seconds * 1000 >= writeTimeout',
    replace: 'seconds * 1000 > writeTimeout',
    tests: ['test/e2e/time-limits'],
  },
  {
    title: 'without guards, the endpoints are open in production',
    file: 'src/http/access.guard.ts',
    find: 'if (production) return IN_PRODUCTION;',
    replace: 'if (production && !request) return IN_PRODUCTION;',
    tests: ['test/e2e/default-access'],
  },
  {
    title: 'without guards, the endpoints are open to other hosts',
    file: 'src/http/access.guard.ts',
    find: "isLoopbackAddress(socket.remoteAddress ?? '') &&",
    replace: "(isLoopbackAddress(socket.remoteAddress ?? '') || !production) &&",
    tests: ['src/http/access.guard'],
  },
  {
    title: 'without guards, the endpoints are open to a page that points its own host name here',
    file: 'src/http/access.guard.ts',
    find: "isLoopbackHost(headers.host ?? '') &&",
    replace: "(isLoopbackHost(headers.host ?? '') || !production) &&",
    tests: ['test/e2e/default-access'],
  },

  // The command line
  {
    title: 'cmdline shows the password in --password=…',
    file: 'src/profiling/command-line.ts',
    find: 'if (name !== undefined && value && SECRET_NAME.test(name)) return',
    replace: 'if (name !== undefined && value && SECRET_NAME.test(value)) return',
    tests: ['src/profiling/command-line'],
  },
  {
    title: 'cmdline shows the password after --password',
    file: 'src/profiling/command-line.ts',
    find: 'if (i > 0 && isSecretOption(args[i - 1]!)',
    replace: 'if (i > 0 && isSecretOption(args[i]!)',
    tests: ['src/profiling/command-line'],
  },
  {
    title: 'cmdline shows the user info of a URL',
    file: 'src/profiling/command-line.ts',
    find: '[^\\s/@]+@/gi;',
    replace: '[^\\s/@]+@@/gi;',
    tests: ['src/profiling/command-line'],
  },

  // Captures
  {
    title: 'a second CPU capture is not refused while one runs',
    file: 'src/profiling/cpu-capture.ts',
    find: 'if (processState().cpuBusy) throw',
    replace: 'if (processState().cpuBusy && !processState()) throw',
    tests: ['test/e2e/profile'],
  },
  {
    title: 'after a capture, the next one is refused as busy',
    file: 'src/profiling/cpu-capture.ts',
    find: 'processState().cpuBusy = false;',
    replace: 'processState().cpuBusy = true;',
    tests: ['test/e2e/profile'],
  },
  {
    title: 'a capture goes on when the client leaves',
    file: 'src/http/exchange.ts',
    find: 'if (!response.writableFinished) gone.abort();',
    replace: 'if (!response) gone.abort();',
    tests: ['test/e2e/profile'],
  },
  {
    title: 'shutting down does not end a capture',
    file: 'src/profiling/cpu-profiler.ts',
    find: 'this.closing.abort();',
    replace: '',
    tests: ['test/e2e/profile'],
  },
  {
    title: 'a capture that ended early leaves its timer',
    file: 'src/profiling/wait.ts',
    find: 'clearTimeout(timer);',
    replace: 'void timer;',
    tests: ['src/profiling/wait'],
  },
  {
    title: 'a capture leaves the timer that reads the CPU clock',
    file: 'src/sampling/cpu-readings.ts',
    find: 'clearInterval(this.timer);',
    replace: '',
    tests: ['src/sampling/cpu-readings'],
  },
  {
    title: 'a capture leaves its inspector session',
    file: 'src/sampling/inspector-session.ts',
    find: 'this.session.disconnect();',
    replace: 'void this.session;',
    tests: ['test/process/left-behind'],
  },
  {
    title: 'a capture leaves the worker thread that read source maps',
    file: 'src/profiling/frames/source-maps/map-worker.ts',
    find: 'for (const script of',
    replace: 'setInterval(() => {}, 1000);\nfor (const script of',
    tests: ['test/process/source-maps'],
  },

  // Numbers
  {
    title: "a source map's line is one too low",
    file: 'src/profiling/frames/source-maps/compact-map.ts',
    find: 'line: segments[row * ROW + 3]! + 1',
    replace: 'line: segments[row * ROW + 3]!',
    tests: ['src/profiling/frames/source-maps/'],
  },
  {
    title: 'a CPU sample weighs too little where readings of the clock are shared among samples',
    file: 'src/sampling/cpu-slices.ts',
    find: 'used / busy.length;',
    replace: 'used / (busy.length + 1);',
    tests: ['src/sampling/cpu-slices'],
  },
  {
    title: 'a CPU sample of the inspector weighs too much where it counts as real time',
    file: 'src/sampling/inspector-cpu-samples.ts',
    find: 'Math.max(until - micros[i]!, 0) * 1000',
    replace: 'Math.max(until - micros[i]!, 0) * 1001',
    tests: ['test/recorded/'],
  },
  {
    title: 'a CPU sample of pprof weighs its interval without the end of the capture',
    file: 'src/sampling/pprof-samples.ts',
    find: 'durationNanos / total;',
    replace: 'durationNanos / (total + 1);',
    tests: ['test/recorded/'],
  },
  {
    title: 'idle time is CPU time',
    file: 'src/profiling/cpu-profile.ts',
    find: 'isIdle ? NOTHING :',
    replace: 'isIdle && !hits ? NOTHING :',
    tests: ['test/recorded/'],
  },
  {
    title: 'a heap sample of the inspector counts one object too many',
    file: 'src/sampling/heap-samples.ts',
    find: '(before?.count ?? 0) + bytes / objectSize',
    replace: '(before?.count ?? 1) + bytes / objectSize',
    tests: ['test/recorded/'],
  },
  {
    title: 'a heap sample of pprof has the size of one object instead of all',
    file: 'src/sampling/pprof-samples.ts',
    find: 'bytes: count * sizeBytes',
    replace: 'bytes: sizeBytes',
    tests: ['test/recorded/'],
  },
  {
    title: 'a varint of 2^53 is written wrong',
    file: 'src/format/protobuf-writer.ts',
    find: 'value = Math.floor(value / TWO_POW_7);',
    replace: 'value = (value / TWO_POW_7) >>> 0;',
    tests: ['src/format/'],
  },
];
