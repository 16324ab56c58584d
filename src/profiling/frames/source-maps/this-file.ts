/**
 * The path or URL of this very file as V8 has it. `import.meta` is an error in CommonJS, `__dirname` in an ES module,
 * and the same source becomes both; a stack trace says it in either, also of code that has a source map.
 *
 * @returns undefined where it does not: the globals may be frozen
 */
export function thisFile(): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, [callSite]) => callSite?.getFileName();
    const file: unknown = new Error('where?').stack;
    return typeof file === 'string' ? file : undefined;
  } catch {
    return undefined;
  } finally {
    restore({ prepareStackTrace, stackTraceLimit });
  }
}

function restore(before: Pick<typeof Error, 'prepareStackTrace' | 'stackTraceLimit'>): void {
  try {
    Object.assign(Error, before);
  } catch {
    // frozen, and so never changed
  }
}
