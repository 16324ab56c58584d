// Why a peer is better, from its source. The first entry that matches counts; a missing field matches everything.

const CLOCKS =
  'reads the clocks of all threads of the process, to measure CPU time and the time of other threads';
const HEAP_WALK =
  'The rest is V8, which walks the whole heap at the start, including loaded modules and cached source maps.';

const MADE_IN_STOP =
  'It makes its profile during its stop, without a pause, so only encoding remains. Ours makes the profile after the stop, in slices, with source maps and class names, which the peer does not have.';

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
    why: `The peer is V8 alone and makes no profile. Ours ${CLOCKS}.`,
  },
  {
    group: 'holds',
    metric: 'stop',
    why: "Its addon returns V8's tree in less time, and its profile has neither source maps nor class names.",
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
    why: `The peer is V8 alone and makes no profile. Ours ${CLOCKS}.`,
  },
  {
    group: 'samples',
    metric: 'stop',
    why: "Its addon returns V8's tree in less time: it creates the names of a node's eight properties once, while that of `pprof` creates them for each node (`translate-time-profile.cc` and `profiler.cc`).",
  },
  {
    group: 'samples',
    metric: 'after',
    why: 'It makes its profile during its stop, without a pause, source maps or class names, so only encoding remains.',
  },
  {
    group: 'requests',
    metric: 'always on',
    why: 'Ours reads the clocks of the threads with each profile that it keeps, one every two seconds, and checks the path of every request before the router does (`src/http/router.ts`).',
  },
  {
    group: 'requests',
    why: 'The peer is not part of the HTTP server. Ours checks the path of every request before the router does (`src/http/router.ts`).',
  },
  {
    group: 'encode',
    metric: 'gzip',
    why: "The level is the same. The difference is between the compressor of Go's standard library and zlib called by Node.",
  },
  {
    group: 'encode',
    peer: /^Go$/,
    why: 'Go is compiled before it runs. V8 first interprets code, and optimizes what has run for a while.',
  },
  {
    group: 'memory',
    peer: /^node:inspector$/,
    why: 'The peer makes no profile and loads no module.',
  },
  {
    group: 'memory',
    why: 'The peer loads fewer modules, does not keep source maps as ours does, and keeps no parts of Nest.',
  },
];

/** Undefined if nobody has investigated it yet. */
export function reasonFor({ group, metric, peer }) {
  return REASONS.find(
    (reason) =>
      reason.group === group &&
      (reason.metric === undefined || reason.metric === metric) &&
      (reason.peer === undefined || reason.peer.test(peer)),
  )?.why;
}
