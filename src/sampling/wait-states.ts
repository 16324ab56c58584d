/** What an execution waits for, in Go's terms. */
export type WaitState = 'IO wait' | 'syscall' | 'sleep' | 'chan receive' | 'select';

/** The state of a wait for a promise about which nothing else is known. */
export const PROMISE_STATE: WaitState = 'chan receive';

/** A type of Node's async resources. */
interface ResourceKind {
  readonly state: WaitState;
  /** Whether it waits for a single event, so that it is a separate wait unless it settles a promise. Others are long-lived. */
  readonly isOneShot: boolean;
}

const ONE_SHOT: Readonly<Record<Exclude<WaitState, 'chan receive' | 'select'>, string>> = {
  'IO wait':
    'GETADDRINFOREQWRAP GETNAMEINFOREQWRAP QUERYWRAP TCPCONNECTWRAP PIPECONNECTWRAP WRITEWRAP SHUTDOWNWRAP UDPSENDWRAP HTTPCLIENTREQUEST HTTP2PING',
  syscall:
    'FSREQCALLBACK FSREQPROMISE FILEHANDLECLOSEREQ CHECKPRIMEREQUEST CIPHERREQUEST DERIVEBITSREQUEST HASHREQUEST KEYEXPORTREQUEST KEYGENREQUEST KEYPAIRGENREQUEST PBKDF2REQUEST RANDOMBYTESREQUEST RANDOMPRIMEREQUEST SCRYPTREQUEST SIGNREQUEST VERIFYREQUEST BLOBREADER',
  sleep: 'Timeout',
};

const LASTING: typeof ONE_SHOT = {
  'IO wait':
    'TCPWRAP TLSWRAP PIPEWRAP UDPWRAP TTYWRAP JSSTREAM STREAMPIPE HTTPINCOMINGMESSAGE HTTP2SESSION HTTP2STREAM QUIC_ENDPOINT QUIC_SESSION QUIC_STREAM DNSCHANNEL',
  syscall: 'FILEHANDLE FSEVENTWRAP STATWATCHER DIRHANDLE ZLIB WORKER MESSAGEPORT PROCESSWRAP',
  sleep: '',
};

/** Kinds of resources by type. Other types, such as ticks and immediates, are not waits. */
export const RESOURCE_KINDS: ReadonlyMap<string, ResourceKind> = new Map(
  [ONE_SHOT, LASTING].flatMap((types) =>
    Object.entries(types).flatMap(([state, names]) =>
      names
        .split(' ')
        .filter(Boolean)
        .map((name) => [name, { state: state as WaitState, isOneShot: types === ONE_SHOT }] as const),
    ),
  ),
);
