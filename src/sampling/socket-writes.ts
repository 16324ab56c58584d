import { Socket } from 'node:net';
import { replace, type Restore } from './replace.js';

/**
 * Calls a function whenever the process writes to a socket, also over TLS, but to those of the console. `async_hooks` tells only of
 * writes that do not succeed at once.
 *
 * @returns what ends that
 */
export function watchSocketWrites(written: () => void): Restore {
  return replace(Socket.prototype, 'write', (write, args, socket) => {
    if ((socket as { readonly fd?: number }).fd === undefined) written();
    return write(args);
  });
}
