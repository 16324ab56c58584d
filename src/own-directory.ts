import { pathToFileURL } from 'node:url';

/**
 * Where this file is, which is where the package's files are, or the bundle that it is part of.
 *
 * `import.meta` is an error in CommonJS, `__dirname` in an ES module, and this source becomes both; a stack trace says where
 * a file is in either, also if it has a source map.
 *
 * @throws TypeError where it does not: the globals may be frozen
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
