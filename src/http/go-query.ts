/**
 * Go's rules for parameters: `url.ParseQuery`, `strconv.Atoi`, `strconv.ParseInt`, `strconv.ParseFloat`. They differ from
 * JavaScript's, and clients written for Go rely on them.
 */

import type { DevToolsFormat, ViewerFormat } from '../profiling/captured-profile.js';
import type { ResolvedPprofOptions } from '../pprof.options.js';
import { badValue, goException, tooLong } from './go-errors.js';

const MAX_INT64 = 2n ** 63n - 1n;
const DECIMAL = /^[+-]?[0-9]+$/;

/** Query parameters: a raw query string, or a parsed query. */
export type QueryLike =
  string | URLSearchParams | Readonly<Record<string, string | readonly string[] | undefined>>;

/** The raw query string, without `?`. */
export function rawQueryOf(query: QueryLike): string {
  if (typeof query === 'string') return query.replace(/^\?/, '');
  if (query instanceof URLSearchParams) return query.toString();
  const parsed = new URLSearchParams();
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values ?? []].flat()) parsed.append(name, value);
  }
  return parsed.toString();
}

/**
 * The first value of a parameter; empty if it is missing.
 *
 * As in Go, `+` is a space, and a pair with a `;` or an invalid escape is ignored.
 */
export function formValue(rawQuery: string, key: string): string {
  for (const pair of rawQuery.split('&')) {
    if (pair.includes(';')) continue;
    const [name = '', ...value] = pair.split('=');
    if (unescaped(name) !== key) continue;
    const decoded = unescaped(value.join('='));
    if (decoded !== undefined) return decoded;
  }
  return '';
}

/** Go's `Atoi` as its handlers use it: 0 for invalid input, the largest number on overflow. */
export function atoi(text: string): number {
  if (!DECIMAL.test(text)) return 0;
  const value = Number(text);
  return Math.max(Math.min(value, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
}

/** Go's `ParseInt(text, 10, 64)`: undefined for invalid input and for numbers beyond 64 bits. */
export function parseInt64(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return value > MAX_INT64 || value < -MAX_INT64 - 1n ? undefined : Number(value);
}

const DECIMAL_FLOAT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i;
const HEX_FLOAT = /^([+-]?)0x(?=\.?[0-9a-f])([0-9a-f]*)\.?([0-9a-f]*)p([+-]?[0-9]+)$/i;

/** Go's `ParseFloat(text, 64)`: undefined for invalid input and on overflow. */
export function parseFloat64(text: string): number | undefined {
  const decimal = text.replace(/(?<=[0-9])_(?=[0-9])/g, '');
  const value = DECIMAL_FLOAT.test(decimal) ? Number(decimal) : hexFloat(text);
  return Number.isFinite(value) ? value : undefined;
}

function hexFloat(text: string): number {
  const [, sign, whole = '', part = '', exponent] =
    HEX_FLOAT.exec(text.replace(/(?<=[0-9a-fx])_(?=[0-9a-f])/gi, '')) ?? [];
  const mantissa = Number.parseInt(whole + part, 16);
  return Number(`${sign}1`) * mantissa * 2 ** (Number(exponent) - 4 * part.length);
}

/** Go's `QueryUnescape`; undefined for an invalid escape. */
function unescaped(text: string): string | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  return percentDecoded(text.replaceAll('+', ' '));
}

/** Decodes escapes byte by byte, as Go does. Invalid UTF-8 is not an error and becomes U+FFFD. */
export function percentDecoded(text: string): string {
  return text.replace(/(%[0-9a-fA-F]{2})+/g, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString(),
  );
}

/** @throws HttpException 400 for a capture longer than the options allow */
export function checkDuration(
  seconds: number,
  { writeTimeout, maxSeconds }: Pick<ResolvedPprofOptions, 'writeTimeout' | 'maxSeconds'>,
): void {
  if (writeTimeout > 0 && seconds * 1000 >= writeTimeout) throw goException('writeTimeout');
  if (seconds > maxSeconds) throw tooLong(maxSeconds);
}

/** The longest capture that the options allow, in seconds; at least 1. */
export function longestSeconds({
  writeTimeout,
  maxSeconds,
}: Pick<ResolvedPprofOptions, 'writeTimeout' | 'maxSeconds'>): number {
  const withinTimeout = writeTimeout > 0 ? Math.ceil(writeTimeout / 1000) - 1 : Infinity;
  return Math.max(1, Math.min(maxSeconds, withinTimeout));
}

/**
 * The parameter `format`.
 *
 * @param devTools the format for DevTools, if the profile has one
 * @returns undefined for pprof's own format
 * @throws HttpException 400 for a format that the profile does not have
 */
export function formatOf(query: string, devTools?: DevToolsFormat): ViewerFormat | undefined {
  const asked = formValue(query, 'format');
  if (asked === '') return undefined;
  const formats = [...(devTools ? [devTools] : []), 'speedscope' as const];
  const format = formats.find((one) => one === asked);
  if (!format) throw badValue('format', formats.join(' or '));
  return format;
}

/** The file name for a profile in that format, with the extension that viewers expect. */
export function fileOf(name: string, format: ViewerFormat | undefined): string {
  if (!format) return name;
  return `${name}.${format}${format === 'speedscope' ? '.json' : ''}`;
}
