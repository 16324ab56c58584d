import { createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import type { TraceEvent } from '../../format/trace-event.js';
import { activeTrace, setActiveTrace } from '../../sampling/active-trace.js';
import { type Collection, CollectionWatch } from '../../sampling/collections.js';
import { CpuTimeline, type TimedSample } from '../../sampling/cpu-timeline.js';
import type { RawFrame, Sampling, Sliced, WarmOptions } from '../../sampling/sampler.js';
import { watchSocketWrites } from '../../sampling/socket-writes.js';
import { StackTable } from '../../sampling/stack-table.js';
import { nanosOfMillis } from '../../sampling/trace-clock.js';
import type { CreatedWorker } from '../../sampling/worker-creation.js';
import { type WorkerEvent, WorkerTimeline } from '../../sampling/worker-timeline.js';
import type { RequestsInFlight } from '../async/requests-in-flight.js';
import { ProfilerBusyError } from '../errors.js';
import { type HoldMeter, runSliced } from '../loop.js';
import { nestRegions } from './nest-regions.js';
import { RunsOfThread } from './runs-of-thread.js';
import type { IdentifiedStack, TraceDefinitions } from './trace-definitions.js';
import { TraceAnnotations } from './trace-annotations.js';
import { MAIN } from './thread-timeline.js';
import { TraceRecorder } from './trace-recorder.js';
import { TracedRequests } from './traced-requests.js';

/** Maximum number of events kept until they are written; about 50 MB. */
const MOST_EVENTS = 500_000;

/** The execution that writes the trace. */
const WRITER = '(execution tracer)';

/** What a recording needs. */
export interface TraceSources {
  readonly requests: RequestsInFlight;
  readonly sampling: Sampling;
  readonly warm: WarmOptions;
  /** Comments about the process; each becomes a log message in the trace. */
  readonly comments: readonly string[];
}

/** Events of the sources other than the recorder. */
interface Found {
  readonly workers: readonly WorkerEvent[];
  readonly collections: Promise<readonly Collection[]>;
  readonly samples: Sliced<TimedSample[]>;
}

/** An execution trace that is being recorded from all its sources. Only one per process. */
export class TraceRecording {
  private readonly recorder = newRecorder();
  private readonly requests: TracedRequests;
  private readonly workers: WorkerTimeline;
  private readonly collections: CollectionWatch;
  private readonly cpu: CpuTimeline;
  /** Worker threads, in the order of their numbers in the trace. */
  private readonly threads: CreatedWorker[] = [];
  private readonly sampleStacks = new Map<readonly RawFrame[], number>();
  private newSampleStacks: IdentifiedStack[] = [];
  private readonly runs = new RunsOfThread();
  private readonly closed = new AbortController();
  private readonly stopRecorder: () => void;
  private found: Found | undefined;

  /** @throws ProfilerBusyError if another trace is being recorded */
  constructor({ requests, sampling, warm, comments }: TraceSources) {
    if (activeTrace()) throw new ProfilerBusyError('trace');
    const { recorder } = this;
    const annotations = new TraceAnnotations(recorder);
    this.requests = new TracedRequests(recorder, requests);
    this.stopRecorder = connected(recorder, annotations, requests.listen(this.requests));
    recorder.switchTo(recorder.create(recorder.buffer.start(WRITER), { isKept: true })); // async resources of the other sources belong to the writer
    this.workers = new WorkerTimeline();
    this.collections = new CollectionWatch();
    this.cpu = new CpuTimeline(
      warm,
      sampling.warm ? undefined : (sampling.cold ?? "the option warm is 'off'"),
    );
    const { unsampled } = this.cpu;
    for (const comment of comments) annotations.log('comment', comment);
    if (unsampled !== undefined) annotations.log('comment', `no CPU samples: ${unsampled}`);
  }

  /** Aborted when the recording has ended. */
  get over(): AbortSignal {
    return this.closed.signal;
  }

  /** From here on, the current execution is no longer the one that writes the trace. */
  leaveWriter(): void {
    this.recorder.leave();
  }

  /** Stops recording; the trace gets a log message about it. */
  endEarly(): void {
    this.recorder.buffer.isFull = true;
  }

  /** Whether events were recorded faster than they could be written. */
  get isFull(): boolean {
    return this.recorder.buffer.isFull;
  }

  /** The events since the last call; samples may be older. */
  take(holds: HoldMeter): Promise<TraceEvent[]> {
    this.requests.nameRouted();
    return this.events(
      { workers: this.workers.take(), collections: this.collections.take(), samples: this.cpu.take() },
      holds,
    );
  }

  /** Ends the recording. */
  stop(): void {
    if (this.found) return;
    this.stopRecorder();
    this.requests.stop();
    this.found = {
      workers: this.workers.stop(),
      collections: this.collections.stop(),
      samples: this.cpu.stop(),
    };
    this.closed.abort();
  }

  /** The definitions of new stacks since the last call. */
  async takeDefinitions(definitions: TraceDefinitions): Promise<TraceEvent[]> {
    const { stacks, starts } = this.recorder.buffer.takeStacks();
    const sampled = this.newSampleStacks.splice(0);
    return definitions.of([...stacks, ...sampled], starts);
  }

  /** After the end: the remaining events. */
  rest(holds: HoldMeter): Promise<TraceEvent[]> {
    return this.events(this.found!, holds);
  }

  private async events({ workers, collections, samples }: Found, holds: HoldMeter): Promise<TraceEvent[]> {
    const events = this.recorder.take();
    for (const event of workers) events.push(this.worker(event));
    for (const { begin: time, ...collection } of await collections)
      events.push({ type: 'collection', time, ...collection });
    if (this.cpu.unsampled === undefined) this.runs.add(events);
    for (const sample of await runSliced(samples, holds)) events.push(this.sample(sample));
    return events;
  }

  /** Events of a worker thread; its executions are unknown. */
  private worker({ type, time, worker }: WorkerEvent): TraceEvent {
    const { threadId, nativeId: id = threadId, name } = worker;
    if (type === 'end') return { type: 'thread-end', time, thread: MAIN + 1 + this.threads.indexOf(worker) };
    const thread = MAIN + this.threads.push(worker);
    return { type: 'thread', time, thread, id, name: name || `worker ${threadId}` };
  }

  private sample({ time, stack }: TimedSample): TraceEvent {
    return {
      type: 'sample',
      time,
      thread: MAIN,
      goroutine: this.runs.at(time),
      stack: this.sampleStack(stack),
    };
  }

  private sampleStack(stack: readonly RawFrame[]): number {
    const known = this.sampleStacks.get(stack);
    if (known !== undefined) return known;
    const id = this.recorder.buffer.newId();
    this.sampleStacks.set(stack, id);
    this.newSampleStacks.push([stack, id]);
    return id;
  }
}

function newRecorder(): TraceRecorder {
  const stacks = new StackTable();
  return new TraceRecorder(
    {
      pid: process.pid,
      now: () => nanosOfMillis(performance.now()),
      executionAsyncId,
      executionAsyncResource: currentResource,
      stackOf: (callee, depth) => stacks.stackOf(callee, depth),
    },
    MOST_EVENTS,
  );
}

/** A resource wrapped in a Proxy may throw, which would end the process in a hook. */
function currentResource(): object {
  try {
    return executionAsyncResource();
  } catch {
    return {};
  }
}

/**
 * Connects a recorder to its sources.
 *
 * @returns a function that disconnects it
 */
function connected(recorder: TraceRecorder, annotations: TraceAnnotations, unlisten: () => void): () => void {
  setActiveTrace(annotations);
  const restores = [watchSocketWrites(recorder.written), nestRegions()];
  const hook = createHook(recorder).enable();
  return () => {
    hook.disable();
    for (const restore of restores) restore();
    setActiveTrace(undefined);
    unlisten();
    recorder.stop();
    annotations.stop();
  };
}
