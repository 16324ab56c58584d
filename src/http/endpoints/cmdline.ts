import { Get, Inject } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { type PprofReply, text } from '../reply.js';
import { isSecretName, matchesOf, secretsIn, type Span } from './secrets.js';

@PprofEndpoint({
  name: 'cmdline',
  description:
    'The command line of this process, with NUL between the arguments. Secrets are replaced by REDACTED.',
})
export class CmdlineEndpoint {
  constructor(@Inject(PPROF_OPTIONS) private readonly options: ResolvedPprofOptions) {}

  @Get()
  serve(): PprofReply {
    const { cmdline } = this.options;
    return text(commandLine(typeof cmdline === 'object' ? cmdline.redact : []).join('\0'));
  }
}

const REDACTED = 'REDACTED';

/**
 * The command line of this process: executable, Node's options, script, arguments. Replaces secrets, recognized by their name
 * or format, and what an expression matches.
 */
export function commandLine(redact: readonly RegExp[] = []): string[] {
  return redacted([process.execPath, ...process.execArgv, ...process.argv.slice(1)], redact);
}

/** The arguments without their secrets. */
export function redacted(args: readonly string[], redact: readonly RegExp[] = []): string[] {
  return args.map((arg, i) => {
    const before = i > 0 ? args[i - 1]! : '';
    if (isNextSecret(before) && !OPTION.test(arg)) return REDACTED;
    const ofUser = redact.flatMap((pattern) => [...matchesOf(pattern, arg)]);
    return withoutSpans(arg, [...ofUser, ...secretsIn(arg), ...loginIn(before, arg)]);
  });
}

const OPTION = /^--?[\w.-]+$/;

/** `--token` or `Authorization:`, whose value is the next argument. */
function isNextSecret(arg: string): boolean {
  return /^(?:--?[\w.-]+|[\w.-]+:)$/.test(arg) ? isSecretName(arg) : /^(?:[Bb]earer|Basic)$/.test(arg);
}

/** curl's `-u user:password` and `--user=user:password`; two numbers are ids. */
function loginIn(before: string, arg: string): Span[] {
  const option = /^--(?:proxy-)?user=/.exec(arg)?.[0] ?? '';
  if (!option && !/^(?:-[uU]|--(?:proxy-)?user)$/.test(before)) return [];
  const user = /^[^:/\s]+:(?!\/\/|\d+$)/.exec(arg.slice(option.length))?.[0];
  return user ? [[option.length + user.length, arg.length]] : [];
}

function withoutSpans(text: string, spans: readonly Span[]): string {
  let shown = '';
  let shownUpTo = 0;
  for (const [start, end] of spans.toSorted(([a], [b]) => a - b)) {
    if (start === end || end <= shownUpTo) continue;
    if (start > shownUpTo || shown === '') shown += text.slice(shownUpTo, start) + REDACTED;
    shownUpTo = end;
  }
  return shown + text.slice(shownUpTo);
}
