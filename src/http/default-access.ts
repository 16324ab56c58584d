import type { IncomingMessage } from 'node:http';

/** What proxies add. A stock one adds nothing, hence the rule for production. */
const PROXY_HEADER = /^(forwarded|x-forwarded-.*|x-real-ip|via)$/;
const SAME_SITE = new Set(['none', 'same-origin']);

/** Refusals where the module has no guards. */
export const IN_PRODUCTION =
  'pprof is closed: NODE_ENV is production and PprofModule has no guards. Set the option "guards".';
export const NOT_LOCAL =
  'pprof is closed to all but programs on this machine. To open it, set the option "guards".';

/**
 * Who may use the endpoints of a module without guards: in production nobody, otherwise a program on this machine that
 * names it as such, with no proxy in between and no foreign page behind it.
 *
 * The socket's address counts, never one that the application takes from a header.
 *
 * @returns why the request is refused, or undefined
 */
export function refusalByDefault(request: IncomingMessage, production: boolean): string | undefined {
  if (production) return IN_PRODUCTION;
  const { headers, socket } = request;
  const site = headers['sec-fetch-site'];
  const local =
    isLoopbackAddress(socket.remoteAddress ?? '') &&
    isLoopbackHost(headers.host ?? '') &&
    !Object.keys(headers).some((name) => PROXY_HEADER.test(name)) &&
    (site === undefined || SAME_SITE.has(String(site)));
  return local ? undefined : NOT_LOCAL;
}

function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address);
}

/** Against DNS rebinding: a page on a name of its own that points here. */
function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i.test(host);
}
