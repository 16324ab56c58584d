/** What an execution waits for, in the words of Go's goroutine dumps. */
export type WaitState = 'IO wait' | 'syscall' | 'sleep' | 'chan receive';

/** Of sockets and names: whoever began with one waits for the network, also where it waits for an event of it. */
const NETWORK = [
  'DNSCHANNEL',
  'GETADDRINFOREQWRAP',
  'GETNAMEINFOREQWRAP',
  'HTTP2SESSION',
  'HTTP2STREAM',
  'HTTPCLIENTREQUEST',
  'PIPECONNECTWRAP',
  'PIPESERVERWRAP',
  'PIPEWRAP',
  'QUERYWRAP',
  'QUIC_SESSION',
  'QUIC_STREAM',
  'TCPCONNECTWRAP',
  'TCPSERVERWRAP',
  'TCPSOCKETWRAP',
  'TCPWRAP',
  'TLSWRAP',
  'UDPSENDWRAP',
  'UDPWRAP',
];

/** Files, child processes, and what libuv's pool computes. */
const SYSTEM = [
  'BLOBREADER',
  'CHECKPRIMEREQUEST',
  'CIPHERREQUEST',
  'DERIVEBITSREQUEST',
  'FILEHANDLECLOSEREQ',
  'FSREQCALLBACK',
  'FSREQPROMISE',
  'HASHREQUEST',
  'KEYEXPORTREQUEST',
  'KEYGENREQUEST',
  'KEYPAIRGENREQUEST',
  'PBKDF2REQUEST',
  'PROCESSWRAP',
  'RANDOMBYTESREQUEST',
  'RANDOMPRIMEREQUEST',
  'SCRYPTREQUEST',
  'SIGNREQUEST',
  'VERIFYREQUEST',
  'ZLIB',
];

/** By the type of a resource of `async_hooks`. */
export const STATE_OF_RESOURCE: ReadonlyMap<string, WaitState> = new Map([
  ...NETWORK.map((type) => [type, 'IO wait'] as const),
  ...SYSTEM.map((type) => [type, 'syscall'] as const),
  ['Timeout', 'sleep'] as const,
]);

/** Those whose callback comes once, and is what was waited for. */
export const ONE_CALLBACK: ReadonlySet<string> = new Set([
  'CHECKPRIMEREQUEST',
  'FSREQCALLBACK',
  'GETADDRINFOREQWRAP',
  'GETNAMEINFOREQWRAP',
  'KEYGENREQUEST',
  'KEYPAIRGENREQUEST',
  'PBKDF2REQUEST',
  'PIPECONNECTWRAP',
  'QUERYWRAP',
  'RANDOMBYTESREQUEST',
  'RANDOMPRIMEREQUEST',
  'SCRYPTREQUEST',
  'SIGNREQUEST',
  'TCPCONNECTWRAP',
  'Timeout',
  'VERIFYREQUEST',
]);

/** Modules of Node's that await the network on behalf of their callers: a pooled socket begins no resource. */
const NETWORK_MODULE =
  /^node:(internal\/deps\/undici|_http|http|https|net|tls|dns|internal\/dns|internal\/http2|internal\/streams|internal\/webstreams)/;

/** By the module that awaits. */
export function stateOfModule(url: string): WaitState | undefined {
  return NETWORK_MODULE.test(url) ? 'IO wait' : undefined;
}
