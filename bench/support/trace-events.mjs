// What a tracer tells of requests to a service: each computes in four pieces, and waits for a socket, a timer and a promise.

const THREAD = 4242;
const CONCURRENT = 10;
const EVERY_NS = 1e6;
/** Stacks that waits begin at: a service has some hundreds. */
const PLACES = 200;

const stacks = Array.from({ length: PLACES }, (_, i) =>
  Array.from({ length: 8 }, (_, depth) => ({
    functionName: `Service${i}.step${depth}`,
    file: `file:///app/service${i % 50}.js`,
    line: depth * 10,
  })),
);
const starts = Array.from({ length: 20 }, (_, i) => ({
  functionName: `Controller${i}.find`,
  file: `file:///app/controller${i}.js`,
  line: 12,
}));

/** Of so many requests, ten of them under way at a time. */
export function eventsOf(requests) {
  const events = [];
  for (let i = 0; i < requests; i++) events.push(...eventsOfOne(i, (i / CONCURRENT) * EVERY_NS));
  return events.sort((a, b) => a.at - b.at);
}

function eventsOfOne(i, begin) {
  const execution = i + 2;
  const task = i + 1;
  const name = `GET /cats/${i % starts.length}`;
  const at = (share) => begin + EVERY_NS * share;
  const run = (share) => ({ type: 'run', at: at(share), thread: THREAD, execution });
  const wait = (share, cause) => ({
    type: 'wait',
    at: at(share),
    execution,
    cause,
    stack: stacks[(i * 7 + cause.length) % PLACES],
  });
  const region = (share, number, name) => ({
    type: 'region-begin',
    at: at(share),
    execution,
    region: number,
    name,
    task,
  });
  const regionEnd = (share, number) => ({ type: 'region-end', at: at(share), execution, region: number });
  return [
    { type: 'execution', at: at(0), execution, name, start: starts[i % starts.length] },
    run(0.01),
    { type: 'task-begin', at: at(0.02), task, name, execution },
    region(0.03, 2 * task, 'guard RolesGuard'),
    regionEnd(0.05, 2 * task),
    region(0.06, 2 * task + 1, 'handler'),
    wait(0.1, 'network'),
    run(0.4),
    wait(0.42, 'timer'),
    run(0.6),
    wait(0.62, 'promise'),
    { type: 'wake', at: at(0.7), execution },
    run(0.8),
    regionEnd(0.85, 2 * task + 1),
    { type: 'log', at: at(0.86), execution, task, key: 'status', text: '200' },
    { type: 'task-end', at: at(0.87), task, execution },
    { type: 'end', at: at(0.9), execution },
  ];
}
