// Why a peer is better where it is: from its source. The first entry that fits counts; what it leaves out fits all.

const CLOCKS =
  'reads the clocks of all threads of the process, for measured CPU time and the time of other threads';
const HEAP_WALK =
  'The rest is V8: it walks the whole heap at start, and modules that are loaded and source maps that are kept are in it.';

const MADE_IN_STOP =
  'It has made its profile within its stop, in one go; what is left is encoding. Ours makes the profile after the stop, in pieces, with source maps and names of classes, which it does not have.';

const REASONS = [
  {
    group: 'holds',
    metric: 'start',
    why: `Ours ${CLOCKS} (\`src/sampling/process-times.ts\`); peers measure neither. ${HEAP_WALK}`,
  },
  {
    group: 'holds',
    metric: 'stop',
    peer: /^node:inspector$|native/,
    why: `That is V8 alone, and no profile. Ours ${CLOCKS}.`,
  },
  {
    group: 'holds',
    metric: 'stop',
    why: "Its addon takes less time to hand out V8's tree, and its profile has neither source maps nor names of classes.",
  },
  {
    group: 'holds',
    metric: 'after',
    why: MADE_IN_STOP,
  },
  {
    group: 'warm',
    metric: 'after',
    why: MADE_IN_STOP,
  },
  {
    group: 'samples',
    metric: 'stop',
    peer: /^node:inspector$|native/,
    why: `That is V8 alone, and no profile. Ours ${CLOCKS}.`,
  },
  {
    group: 'samples',
    metric: 'stop',
    why: "Its addon hands out V8's tree in less time: it makes the names of a node's eight properties once, that of `pprof` makes them for each node anew (`translate-time-profile.cc` and `profiler.cc`).",
  },
  {
    group: 'samples',
    metric: 'after',
    why: 'It has made its profile within its stop, in one go, without source maps and names of classes; what is left is encoding.',
  },
  {
    group: 'requests',
    metric: 'always on',
    why: 'Ours reads the clocks of the threads with each profile that it keeps, one every two seconds, and looks at the path of every request before the router does (`src/http/router.ts`).',
  },
  {
    group: 'requests',
    why: 'It is no part of the HTTP server. Ours looks at the path of every request before the router does (`src/http/router.ts`).',
  },
  {
    group: 'encode',
    metric: 'gzip',
    why: "The level is the same: it is the compressor of Go's standard library against zlib with Node's call around it.",
  },
  {
    group: 'encode',
    peer: /^Go$/,
    why: 'Go is compiled before it runs. V8 begins by interpreting, and optimizes what has run for a while.',
  },
  {
    group: 'memory',
    peer: /^node:inspector$/,
    why: 'It makes no profile and loads no module.',
  },
  {
    group: 'memory',
    why: 'It loads fewer modules, has no source maps, which ours keeps once read, and keeps no parts of Nest.',
  },
];

/** Undefined where nobody has looked yet. */
export function reasonFor({ group, metric, peer }) {
  return REASONS.find(
    (reason) =>
      reason.group === group &&
      (reason.metric === undefined || reason.metric === metric) &&
      (reason.peer === undefined || reason.peer.test(peer)),
  )?.why;
}
