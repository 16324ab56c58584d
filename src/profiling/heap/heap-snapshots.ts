import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { PPROF_SAMPLING } from '../../pprof.options.js';
import type { Sampling } from '../../sampling/sampler.js';
import { type CaptureRequest, Captures } from '../capture.js';
import { ProfilerBusyError, ProfilerCanceledError, ProfilerUnavailableError } from '../errors.js';
import { HoldMeter } from '../loop.js';

/** A snapshot that was taken. */
interface Snapshot {
  readonly json: Readable;
  isRead: boolean;
}

/** Takes V8's heap snapshots, one at a time. */
@Injectable()
export class HeapSnapshots implements OnModuleDestroy {
  private last: Snapshot | undefined;
  private isStarting = false;

  constructor(
    @Inject(PPROF_SAMPLING) private readonly sampling: Sampling,
    private readonly captures: Captures,
  ) {}

  /**
   * Takes a snapshot, which holds the event loop.
   *
   * @returns its JSON, which Chrome DevTools open
   * @throws ProfilerBusyError while another one is read
   * @throws ProfilerCanceledError if the signal is aborted
   * @throws ProfilerUnavailableError if the temporary file cannot be written
   */
  async take({
    peer,
    signal,
  }: Required<Pick<CaptureRequest, 'peer' | 'signal'>>): Promise<AsyncIterable<Uint8Array>> {
    const isSending = this.last?.isRead && !this.last.json.destroyed;
    if (this.isStarting || isSending) throw new ProfilerBusyError('heapsnapshot');
    this.isStarting = true;
    await noticeClosedSockets().finally(() => (this.isStarting = false));
    if (signal.aborted) throw new ProfilerCanceledError(signal.reason);
    this.cancel(); // one whose reply an interceptor has replaced
    const holds = new HoldMeter();
    const since = performance.now();
    const snapshot = { json: holds.time(() => this.snapshot()), isRead: false };
    this.last = snapshot;
    cancelWith(signal, snapshot.json);
    return this.captures.streamed(
      { profile: 'heapsnapshot', peer, signal, since },
      holds,
      piecesOf(snapshot),
    );
  }

  onModuleDestroy(): void {
    this.cancel(new Error('the application is shutting down'));
  }

  private snapshot(): Readable {
    try {
      return this.sampling.takeHeapSnapshot();
    } catch (cause) {
      throw new ProfilerUnavailableError('heapsnapshot', cause);
    }
  }

  private cancel(reason?: Error): void {
    this.last?.json.destroy(new ProfilerCanceledError(reason));
  }
}

/**
 * Node notices that a client has left some turns after it has parsed its request. Requests of clients that gave up while a snapshot
 * held the event loop are parsed after it, and each would hold it again.
 */
async function noticeClosedSockets(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
}

async function* piecesOf(snapshot: Snapshot): AsyncGenerator<Uint8Array, void> {
  snapshot.isRead = true;
  yield* snapshot.json as AsyncIterable<Uint8Array>;
}

function cancelWith(signal: AbortSignal, json: Readable): void {
  const cancel = (): void => void json.destroy(new ProfilerCanceledError(signal.reason));
  signal.addEventListener('abort', cancel);
  json.once('close', () => signal.removeEventListener('abort', cancel));
  json.on('error', () => {}); // the reader gets the error
}
