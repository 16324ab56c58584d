import { randomUUID } from 'node:crypto';
import { closeSync, createReadStream, existsSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { getHeapSnapshot, writeHeapSnapshot } from 'node:v8';
import { reasonOf } from './reason.js';

interface TemporaryFile {
  readonly fd: number;
  readonly path: string;
}

/** Writes the JSON to a path. */
type Write = (path: string) => unknown;

/** Bytes that are read from the file at once. */
const PIECE = 256 * 1024;

/**
 * Takes a snapshot of this thread's heap. It holds the event loop until V8 has written all of the JSON, since V8 does not wait for a
 * reader: a temporary file holds the JSON, or memory where no file can be created. V8's heap sampler goes on.
 *
 * @returns the JSON; destroying it frees the file, or the memory
 * @throws Error if the file cannot be written, such as on a full disk
 */
export function takeHeapSnapshot(write: Write = writeHeapSnapshot): Readable {
  const file = temporaryFile();
  return file ? snapshotInFile(file, write) : snapshotInMemory();
}

function temporaryFile(): TemporaryFile | undefined {
  const path = join(tmpdir(), `nestjs-pprof-${randomUUID()}.heapsnapshot`);
  try {
    return { fd: openSync(path, 'wx+', 0o600), path };
  } catch {
    return undefined; // a read-only file system, or the permission model
  }
}

function snapshotInFile(file: TemporaryFile, write: Write): Readable {
  const { fd } = file;
  try {
    writeTo(file, write);
  } catch (error) {
    ftruncateSync(fd); // Node keeps the file open that it could not write
    closeSync(fd);
    throw new Error(`cannot write a file in ${tmpdir()}: ${reasonOf(error)}`, { cause: error });
  }
  return createReadStream('', { fd, start: 0, highWaterMark: PIECE });
}

/**
 * The file loses its name, if possible before it is written: the process may run out of memory meanwhile, and there are secrets in
 * what it would leave behind.
 */
function writeTo({ fd, path }: TemporaryFile, write: Write): void {
  const alias = `/dev/fd/${fd}`;
  const needsName = 'permission' in process || !existsSync(alias); // the permission model allows paths
  if (!needsName) unlinkSync(path);
  try {
    write(needsName ? path : alias);
  } finally {
    if (needsName) unlinkSync(path);
  }
}

function snapshotInMemory(): Readable {
  const json = getHeapSnapshot();
  json.read(0); // has V8 write the JSON now, and free what it has made it from
  return pipeline(json, new PassThrough(), () => {}); // who iterates over the one of V8 gets all of it at once
}
