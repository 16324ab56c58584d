import { Get, Inject } from '@nestjs/common';
import { PPROF_OPTIONS, type ResolvedPprofOptions } from '../../pprof.options.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { type PprofReply, text } from '../reply.js';

@PprofEndpoint({
  name: 'cmdline',
  description:
    'The command line of this process, its parts separated by NUL. Secrets are replaced by REDACTED.',
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

/** An option or variable whose value is a secret, by its name. */
const SECRET_NAME = /pass(word|wd|phrase)?|secret|token|credential|api[-_.]?key|private[-_.]?key|auth(?!or)/i;
const OPTION = /^-{1,2}[\w.-]+$/;
const ASSIGNMENT = /^(-{0,2}[\w.-]+)=(.*)$/s;
const URL_USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

/**
 * The command line of this process: executable, its own options, script, arguments. What looks like a secret is
 * replaced: the value of `--password=…` or `--api-key …`, the user info of a URL, and what an expression matches.
 */
export function commandLine(redact: readonly RegExp[] = []): string[] {
  return redacted([process.execPath, ...process.execArgv, ...process.argv.slice(1)], redact);
}

/** The arguments without their secrets. */
export function redacted(args: readonly string[], redact: readonly RegExp[] = []): string[] {
  return args.map((arg, i) => {
    if (i > 0 && isSecretOption(args[i - 1]!) && !OPTION.test(arg)) return REDACTED;
    return redact.reduce((text, pattern) => text.replace(everywhere(pattern), REDACTED), withoutSecret(arg));
  });
}

function isSecretOption(arg: string): boolean {
  return OPTION.test(arg) && SECRET_NAME.test(arg);
}

function withoutSecret(arg: string): string {
  const [, name, value] = ASSIGNMENT.exec(arg) ?? [];
  if (name !== undefined && value && SECRET_NAME.test(name)) return `${name}=${REDACTED}`;
  return arg.replace(URL_USER_INFO, `$1${REDACTED}@`);
}

function everywhere(pattern: RegExp): RegExp {
  return pattern.global ? pattern : new RegExp(pattern, `${pattern.flags}g`);
}
