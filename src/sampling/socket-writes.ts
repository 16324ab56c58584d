import { Socket } from 'node:net';
import { replace, type Restore } from './replace.js';

/**
 * Calls a function whenever the process writes to a socket, including TLS sockets but not the console's. `async_hooks` reports only
 * writes that don't complete at once.
 *
 * @returns a function that ends it
 */
export function watchSocketWrites(written: () => void): Restore {
  return replace(Socket.prototype, 'write', (write, args, socket) => {
    if ((socket as { readonly fd?: number }).fd === undefined) written();
    return write(args);
  });
}
