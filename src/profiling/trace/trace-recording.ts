import { createHook, executionAsyncId, executionAsyncResource } from 'node:async_hooks';
import type { TraceEvent } from '../../format/trace-event.js';
import { activeTrace, setActiveTrace } from '../../sampling/active-trace.js';
import { type Collection, CollectionWatch } from '../../sampling/collections.js';
import { CpuTimeline, type TimedSample } from '../../sampling/cpu-timeline.js';
import type { RawFrame, Sampling, Sliced, WarmOptions } from '../../sampling/sampler.js';
import { StackTable } from '../../sampling/stack-table.js';
import { nanosOfMillis } from '../../sampling/trace-clock.js';
import type { RequestsInFlight } from '../async/requests-in-flight.js';
import { ProfilerBusyError } from '../errors.js';
import { type HoldMeter, runSliced } from '../loop.js';
import { nestRegions } from './nest-regions.js';
import { RunsOfThread } from './runs-of-thread.js';
import type { TraceStacks } from './trace-definitions.js';
import { MAIN, TraceRecorder } from './trace-recorder.js';

/** Events that are kept until they are written: some 50 MB. */
const MOST_EVENTS = 500_000;

/** The execution that writes the trace. */
const WRITER = '(execution tracer)';

/** What a recording is made of. */
export interface TraceSources {
  readonly requests: RequestsInFlight;
  readonly sampling: Sampling;
  readonly warm: WarmOptions;
  /** What is true of the process: each becomes a log of the trace. */
  readonly comments: readonly string[];
}

/** An execution trace that is being recorded, by all of its sources. There is one in a process at a time. */
export class TraceRecording {
  private readonly cpu: CpuTimeline;
  private readonly collections: CollectionWatch;
  private readonly recorder: TraceRecorder;
  private readonly sampleStacks = new Map<readonly RawFrame[], number>();
  private readonly runs = new RunsOfThread();
  private readonly closed = new AbortController();
  private readonly stops: readonly (() => void)[];
  private ended:
    { readonly collections: Promise<Collection[]>; readonly samples: Sliced<TimedSample[]> } | undefined;

  /** @throws ProfilerBusyError if there is another one */
  constructor({ requests, sampling, warm, comments }: TraceSources) {
    if (activeTrace()) throw new ProfilerBusyError('trace');
    const stacks = new StackTable();
    const now = (): number => nanosOfMillis(performance.now());
    const world = { now, executionAsyncId, executionAsyncResource };
    const recorder = new TraceRecorder(
      { ...world, stackOf: (callee) => stacks.stackOf(callee) },
      MOST_EVENTS,
    );
    this.recorder = recorder;
    for (const request of requests) recorder.beginRequest(request, false);
    const unlisten = requests.listen({
      begin: (request) => recorder.beginRequest(request, true),
      end: (request) => recorder.endRequest(request),
    });
    setActiveTrace(recorder);
    const restore = nestRegions();
    const hook = createHook(recorder).enable();
    this.stops = [
      () => hook.disable(),
      restore,
      () => setActiveTrace(undefined),
      unlisten,
      () => recorder.stop(),
    ];
    recorder.enter(WRITER);
    // What these start is the writer's.
    this.collections = new CollectionWatch();
    this.cpu = new CpuTimeline(warm, sampling.warm ? undefined : sampling.cold);
    const { unsampled } = this.cpu;
    for (const comment of comments) recorder.log('comment', comment);
    if (unsampled !== undefined) recorder.log('comment', `no CPU samples: ${unsampled}`);
  }

  /** Aborted when it has ended. */
  get over(): AbortSignal {
    return this.closed.signal;
  }

  /** Why it ended by itself. */
  get endedEarly(): string | undefined {
    return this.recorder.isFull ? `there were more than ${MOST_EVENTS} events to be written` : undefined;
  }

  get stacks(): TraceStacks {
    const waits = Array.from(this.recorder.stacks, ([{ frames }, id]) => [frames, id] as const);
    return { stacks: [...waits, ...this.sampleStacks], starts: this.recorder.starts };
  }

  /** The events since they were taken last, and samples from before. */
  take(holds: HoldMeter): Promise<TraceEvent[]> {
    return this.gathered(this.collections.take(), this.cpu.take(), holds);
  }

  /** Ends the recording. */
  stop(): void {
    if (this.ended) return;
    for (const stop of this.stops) stop();
    this.ended = { collections: this.collections.stop(), samples: this.cpu.stop() };
    this.closed.abort();
  }

  /** After the end: the events that were not taken before. */
  rest(holds: HoldMeter): Promise<TraceEvent[]> {
    const { collections, samples } = this.ended!;
    return this.gathered(collections, samples, holds);
  }

  private async gathered(
    collected: Promise<readonly Collection[]>,
    sampled: Sliced<TimedSample[]>,
    holds: HoldMeter,
  ): Promise<TraceEvent[]> {
    const events = this.recorder.take();
    const collections = await collected;
    for (const { begin: time, ...collection } of collections)
      events.push({ type: 'collection', time, ...collection });
    this.runs.add(events);
    const samples = await runSliced(sampled, holds);
    for (const sample of samples) events.push(this.sample(sample));
    return events;
  }

  private sample({ time, stack }: TimedSample): TraceEvent {
    const id = this.sampleStacks.get(stack) ?? this.recorder.newId();
    this.sampleStacks.set(stack, id);
    return { type: 'sample', time, thread: MAIN, goroutine: this.runs.at(time), stack: id };
  }
}
