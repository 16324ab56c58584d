import { pathToFileURL } from 'node:url';

/**
 * The directory of this file: that of the package's files, or of the bundle that contains it. This source is compiled to CommonJS,
 * which has no `import.meta`, and to an ES module, which has no `__dirname`; a stack trace contains the path in both, also with
 * source maps enabled.
 *
 * @throws TypeError if it does not, for example because the globals are frozen
 */
export function ownDirectory(): URL {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, [callSite]) => callSite?.getFileName();
    const file = new Error('where?').stack!;
    return new URL('.', file.startsWith('file:') ? file : pathToFileURL(file));
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}
