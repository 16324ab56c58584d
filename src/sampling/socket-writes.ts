import { Socket } from 'node:net';

/** What is used of a socket; those of the console have a number. */
interface WrittenSocket extends Socket {
  readonly fd?: number;
}

/**
 * Calls a function whenever the process writes to a socket, also over TLS. `async_hooks` tells only of writes that do not succeed at
 * once.
 *
 * @returns what ends that
 */
export function watchSocketWrites(written: () => void): () => void {
  const { prototype } = Socket;
  const inherited = prototype.write;
  const watched = function (this: WrittenSocket, ...args: Parameters<Socket['write']>) {
    if (this.fd === undefined) written();
    return inherited.apply(this, args);
  } as Socket['write'];
  const own = Object.getOwnPropertyDescriptor(prototype, 'write');
  prototype.write = watched;
  return () => {
    if (prototype.write !== watched) return; // someone else's, which calls this one
    if (own) Object.defineProperty(prototype, 'write', own);
    else delete (prototype as Partial<Socket>).write;
  };
}
