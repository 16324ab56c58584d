import { hostname } from 'node:os';
import { Get, Req } from '@nestjs/common';
import { HeapSnapshots } from '../../profiling/heap/heap-snapshots.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { attachment, type PprofReply, type StreamedReply } from '../reply.js';
import { pprofRequest } from '../request.js';

@PprofEndpoint({
  name: 'heapsnapshot',
  description:
    'A V8 heap snapshot: all objects and what keeps them in memory, for the Memory panel of Chrome DevTools. It has all strings in memory, secrets too. Taking it stops the process for seconds and takes several times the memory of the heap.',
})
export class HeapSnapshotEndpoint {
  constructor(private readonly snapshots: HeapSnapshots) {}

  @Get()
  async serve(@Req() request: object): Promise<PprofReply | StreamedReply> {
    const { method, peer, signal } = pprofRequest(request);
    const reply = attachment(fileName());
    return method === 'HEAD' ? reply : { ...reply, body: await this.snapshots.take({ peer, signal }) };
  }
}

/** DevTools accept no other extension, and show the name. */
function fileName(): string {
  const host = hostname().replace(/[^\w.-]/g, '_');
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  return `Heap-${host}-${process.pid}-${time}.heapsnapshot`;
}
