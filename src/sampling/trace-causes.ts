import { STATE_OF_RESOURCE, type WaitState } from './wait-state.js';

/** What an execution waits for, until its next callback. `ready`: nothing, it is its turn as soon as there is one. */
export type Cause = 'network' | 'timer' | 'promise' | 'file' | 'unknown' | 'ready';

const CAUSE_OF_STATE: Readonly<Record<WaitState, Cause>> = {
  'IO wait': 'network',
  syscall: 'file',
  sleep: 'timer',
  'chan receive': 'promise',
};

/** Other types of `async_hooks`. HTTP's are of the parser, which speaks for a socket. */
const OTHERS: readonly (readonly [type: string, cause: Cause])[] = [
  ['HTTPINCOMINGMESSAGE', 'network'],
  ['HTTPCLIENTREQUEST', 'network'],
  ['HTTP2PING', 'network'],
  ['HTTP2SETTINGS', 'network'],
  ['SHUTDOWNWRAP', 'network'],
  ['WRITEWRAP', 'network'],
  ['FSEVENTWRAP', 'file'],
  ['STATWATCHER', 'file'],
  ['Immediate', 'ready'],
  ['Microtask', 'ready'],
  ['TickObject', 'ready'],
];

/** By the type that `async_hooks` tells. */
export const CAUSE_OF_TYPE: ReadonlyMap<string, Cause> = new Map([
  ...Array.from(STATE_OF_RESOURCE, ([type, state]) => [type, CAUSE_OF_STATE[state]] as const),
  ...OTHERS,
]);

/** By the class of a resource, for those that were there before anybody looked: sockets, watchers, timers. */
const CAUSE_OF_CLASS: ReadonlyMap<string, Cause> = new Map([
  ['ChannelWrap', 'network'],
  ['HTTPClientAsyncResource', 'network'],
  ['HTTPServerAsyncResource', 'network'],
  ['Http2Session', 'network'],
  ['Http2Stream', 'network'],
  ['Pipe', 'network'],
  ['TCP', 'network'],
  ['TLSWrap', 'network'],
  ['UDP', 'network'],
  ['FSEvent', 'file'],
  ['FSReqCallback', 'file'],
  ['FileHandle', 'file'],
  ['Process', 'file'],
  ['StatWatcher', 'file'],
  ['Zlib', 'file'],
  ['Timeout', 'timer'],
  ['Immediate', 'ready'],
]);

/** @param resource one whose begin nobody has seen */
export function causeOfClass(resource: object): Cause {
  return CAUSE_OF_CLASS.get(resource.constructor?.name ?? '') ?? 'unknown';
}
