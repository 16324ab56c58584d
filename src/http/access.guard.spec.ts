import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { NOT_LOCAL, refusalByDefault } from './access.guard.js';

/** A request from an address at the other end of the socket, to a host on this machine. */
const from = (remoteAddress: string | undefined): IncomingMessage =>
  ({ headers: { host: 'localhost:3000' }, socket: { remoteAddress } }) as IncomingMessage;

describe('without guards', () => {
  it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])('the address %s is admitted', (address) => {
    expect(refusalByDefault(from(address), false)).toBeUndefined();
  });

  it.each(['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '128.0.0.1', '127.0.0.1.example', '', undefined])(
    'the address %s is refused',
    (address) => {
      expect(refusalByDefault(from(address), false)).toBe(NOT_LOCAL);
    },
  );
});
