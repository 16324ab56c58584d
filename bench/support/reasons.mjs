// Why a peer is better where it is: from its source. The first entry that fits counts; what it leaves out fits all.

const CLOCKS =
  'reads the clocks of all threads of the process, for measured CPU time and the time of other threads';
const HEAP_WALK =
  'The rest is V8: it walks the whole heap at start, and modules that are loaded and source maps that are kept are in it.';

const REASONS = [
  {
    group: 'holds',
    metric: 'start',
    why: `Ours ${CLOCKS} (\`src/sampling/other-threads.ts\`); peers measure neither. ${HEAP_WALK}`,
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
    why: 'It has made its profile within its stop, in one go; what is left is encoding. Ours makes the profile after the stop, in pieces, with source maps and names of classes, which it does not have.',
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
    group: 'trace',
    metric: 'longest hold, start',
    peer: /^NodeTracing$/,
    why: 'Ours has CPU samples, and V8 walks the whole heap before it takes the first one. It has none.',
  },
  {
    group: 'trace',
    metric: 'longest hold, start',
    peer: /^NodeTracing, samples$/,
    why: 'Nearly all of it is the start of V8’s profiler, for both: it walks the heap, in which our module and what the heap sampler keeps are besides.',
  },
  {
    group: 'requests',
    why: 'It is no part of the HTTP server. Ours looks at the path of every request before the router does, and knows which are under way: what that takes is told in the next section, and is less than processes differ by: see the two without a profiler.',
  },
  {
    group: 'holders',
    metric: 'by what factor the time told is off',
    why: 'It reads the clock before and after each callback, by hooks at every one, which is exact for one and does not see many short ones. Ours takes the whole turn of the event loop, since that is how long others have waited: what else was in it counts too.',
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
    group: 'algebra',
    metric: 'peak RSS',
    why: 'Node takes some 50 MB before it begins, which counts where profiles are small.',
  },
  {
    group: 'algebra',
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
