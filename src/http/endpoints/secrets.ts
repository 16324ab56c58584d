/**
 * Finds secrets in command-line arguments, by the name of an option, variable or field, and by their format.
 *
 * Each rule returns spans of the original text, and all of them are replaced, so rules don't depend on each other.
 * Arguments may have megabytes, so a rule scans a text once and looks back and ahead by a limited number of characters.
 */

/** The second index is exclusive. */
export type Span = readonly [start: number, end: number];

/** Names of secrets, as words joined by "-". */
const SECRET_NAMES: readonly RegExp[] = [
  /(?:pass-?words?|passwd|pass-?phrase|pass-?code|pwd|secrets?|tokens?|credentials?|creds?|jwt|bearer|mnemonic)(?:-|$)/,
  /(?:^|-)(?:pass|pw|pin|pat|o?auth|authorization|cookies?|t?otp|sid|(?:j|php)?sess(?:ion)?-?id|sig|signature|hmac|passkey)$/,
  /(?:^|-)(?:bind|db|pg|mysql|redis|require|user|root|admin|smtp|mail|ftp|ssh|proxy|key|store)(?:pass|pw)$/,
  /(?:^|-)(?:master-?auth|psk|seed-phrase|(?:otp|totp|mfa)-(?:code|seed))$/,
  /(?:api|app|access|account|admin|auth|deploy|encrypt|encryption|function|hmac|license|master|private|secret|service|session|shared|sign|signing|storage|subscription)s?-?keys?(?:-|$)/,
];

/** A variable such as `STRIPE_KEY`. */
const KEY = /^(?!.*(?:CACHE|PARTITION|PRIMARY|PUBLI|ROUTING|SORT|SSL|TLS))[A-Z][A-Z\d_]*_KEY$/;

/** Names that contain such a word but hold no secret, such as `max-tokens` and `password-file`. */
const HARMLESS_NAME =
  /^(?:no|max|min|num|enable|disable|skip)-|-per-|(?:^|-)(?:bos|completion|context|eos|input|n|output|pad|prompt|stop|total)-tokens?$|-(?:age|algorithm|audience|bucket|budget|count|dir|directory|domain|enabled|endpoint|expiration|expires|expires-in|expiry|field|file|header|host|interval|issuer|length|lifetime|limit|location|manager|mode|name|only|param|path|policy|port|prefix|prompt|provider|required|rotation|rounds|scopes?|server|service|size|stdin|store|strategy|timeout|ttl|type|uri|url)$/;

/** Headers whose whole value, up to the end of the line, is secret. */
const WHOLE_LINE = /(?:^|-)(?:authorization|cookie)$/;

/** Whether the value of an option, variable, field or header is a secret, by its name. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  if (HARMLESS_NAME.test(words)) return false;
  const caseless = wordsOf(name.toLowerCase()); // for `PaSsWoRd`
  return SECRET_NAMES.some((pattern) => pattern.test(words) || pattern.test(caseless)) || KEY.test(name);
}

/** `dbPassword2` and `DB_PASSWORD` as `db-password`. */
function wordsOf(name: string): string {
  return name
    .replace(/[a-z\d](?=[A-Z])|[A-Z](?=[A-Z][a-z])/g, '$&-')
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '-')
    .replace(/^-|-?\d*-?$/g, '');
}

/** The secrets in a text, including text that is percent-encoded or escaped, also several times. */
export function* secretsIn(text: string): Generator<Span, void> {
  for (let view = { text, at: identity }, depth = 0; depth < 5; depth++) {
    for (const rule of RULES)
      for (const [start, end] of rule(view.text)) yield [view.at(start), view.at(end)];
    const inner = unescaped(view.text);
    if (inner.text === view.text) return;
    const { at } = view;
    view = { text: inner.text, at: (i) => at(inner.at(i)) };
  }
}

/** A text, and for each of its characters the index in the original. */
interface View {
  readonly text: string;
  readonly at: (i: number) => number;
}

const identity = (i: number): number => i;

const ESCAPES = /%([\da-f]{2})|\\u([\da-f]{4})|\\(.)/gis;
const LETTERS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** Without one layer of percent-encoding and backslashes. */
function unescaped(text: string): View {
  const pieces: string[] = [];
  const origins = new Uint32Array(text.length + 1);
  let length = 0;
  let from = 0;
  const copy = (piece: string, step: number): void => {
    pieces.push(piece);
    for (let i = 0; i < piece.length; i++) origins[length++] = from + i * step;
  };
  for (const { 0: whole, 1: byte, 2: unit, 3: letter = '', index } of text.matchAll(ESCAPES)) {
    copy(text.slice(from, index), 1);
    from = index;
    const code = byte ?? unit;
    copy(code ? String.fromCharCode(Number.parseInt(code, 16)) : (LETTERS[letter] ?? letter), 0);
    from += whole.length;
  }
  copy(text.slice(from), 1);
  origins[length] = text.length;
  return { text: pieces.join(''), at: (i) => origins[i]! };
}

const LONGEST_NAME = 64;
const NAME_PART = /[\w.%$[\]-]/;
const QUOTE = /["'`]/;

/** `name=value`, `name: value`, `"name":"value"` and `<name>value</name>`. */
function* namedSecrets(text: string): Generator<Span, void> {
  const separators = /[=:>]/g;
  for (let found = separators.exec(text); found; found = separators.exec(text)) {
    const { index, 0: separator } = found;
    const name = nameBefore(text, index);
    if (name.text === '' || !isSecret(text, name, separator, index)) continue;
    const span = valueSpan(text, name, separator, index + 1);
    if (span[0] < span[1]) yield span;
    separators.lastIndex = Math.max(span[1], index + 1);
  }
}

interface Name {
  readonly text: string;
  readonly start: number;
  /** The character before it. */
  readonly before: string;
  readonly isQuoted: boolean;
}

/** The name that ends before a separator; empty if there is none. */
function nameBefore(text: string, separator: number): Name {
  let end = separator;
  for (let spaces = 0; spaces < 4 && /[ \t]/.test(text.charAt(end - 1)); spaces++) end--;
  const isQuoted = QUOTE.test(text.charAt(end - 1));
  if (isQuoted) end--;
  let start = end;
  while (end - start < LONGEST_NAME && NAME_PART.test(text.charAt(start - 1))) start--;
  return { text: text.slice(start, end), start, before: text.charAt(start - 1), isQuoted };
}

function isSecret(
  text: string,
  { text: name, start, before }: Name,
  separator: string,
  index: number,
): boolean {
  if (separator === '>') return before === '<' && isSecretName(name);
  if (separator === ':' && isHost(text, name, before, start, index)) return false;
  return isSecretName(name) || (name === 'key' && /[?&]/.test(before));
}

/** Whether the name is a host, as in `http://token:3000` and `auth:3000`. */
function isHost(text: string, name: string, before: string, start: number, colon: number): boolean {
  if (before === '@' || (before === '/' && text.charAt(start - 2) === '/')) return true;
  return name === 'auth' && /^\d/.test(text.charAt(colon + 1));
}

/** The start of the next name or option after an unquoted value. */
const NEXT = /[\s&;,|][\s"'`{[(-]{0,8}(?:[\w.%$[\]-]{1,64}["'`]?[ \t]{0,4}[=:]|--?[a-z])/gi;

function valueSpan(text: string, name: Name, separator: string, after: number): Span {
  const start = after + /^\s{0,8}/.exec(text.slice(after, after + 8))![0].length;
  if (separator === '>') return [start, indexOrEnd(text, '<', start)];
  const quote = text.charAt(start);
  if (QUOTE.test(quote)) return [start + 1, closingQuote(text, quote, start + 1)];
  const end =
    QUOTE.test(name.before) && !name.isQuoted ? closingQuote(text, name.before, start) : text.length;
  if (WHOLE_LINE.test(wordsOf(name.text))) return [start, Math.min(end, indexOrEnd(text, '\n', start))];
  if (isWholeArgument(name)) return [start, end];
  NEXT.lastIndex = /[[{]/.test(quote) ? closingBracket(text, start) : start;
  if (NEXT.lastIndex > start && ENDS_VALUE.test(text.slice(NEXT.lastIndex, NEXT.lastIndex + 2)))
    return [start, NEXT.lastIndex];
  return [start, Math.min(end, NEXT.exec(text)?.index ?? end)];
}

/** The index after the bracket that closes the one at `start`, in JSON and in ODBC's `{pass;word}`. */
function closingBracket(text: string, start: number): number {
  const brackets = /[[\]{}]/g;
  brackets.lastIndex = start;
  let depth = 0;
  for (let found = brackets.exec(text); found; found = brackets.exec(text)) {
    depth += /[[{]/.test(found[0]) ? 1 : -1;
    if (depth === 0) return found.index + 1;
  }
  return text.length;
}

/** What follows a value in quotes or brackets. */
const ENDS_VALUE = /^(?:$|[\s,;&|:)\]}>"'`]|\/>)/;

/** `--password=…` and `PASSWORD=…` at the start of an argument: the value is the rest of the argument. */
function isWholeArgument({ text, start }: Name): boolean {
  return start === 0 && /^(?:-|[A-Z][A-Z\d_]*$)/.test(text);
}

/** The quote that ends a value: one followed by the end or a separator, not one inside a password, nor a doubled one. */
function closingQuote(text: string, quote: string, from: number): number {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 1)) {
    if (ENDS_VALUE.test(text.slice(at + 1, at + 3)) && !isEscaped(text, at, from)) {
      if (text.charAt(at + 1) !== quote) return at;
      at++; // a doubled one
    }
  }
  return text.length;
}

function isEscaped(text: string, at: number, from: number): boolean {
  let backslashes = 0;
  while (at - backslashes > from && text.charAt(at - backslashes - 1) === '\\') backslashes++;
  return backslashes % 2 === 1;
}

function indexOrEnd(text: string, searched: string, from: number): number {
  const at = text.indexOf(searched, from);
  return at < 0 ? text.length : at;
}

/** Name and value in separate places: in JSON `{"name":"token","value":"x"}` and `["--token","x"]`, and XML with attributes. */
const PAIRS: readonly RegExp[] = [
  /["'](?:name|key)["']\s{0,8}:\s{0,8}["']([^"']{1,64})["']\s{0,8},\s{0,8}["']value["']\s{0,8}:\s{0,8}["']([^"']*)/dg,
  /["']--?([\w.-]{1,64})["']\s{0,8},\s{0,8}["']([^"']*)/dg,
  /<([\w.:-]{1,64})\s[^<>]{1,256}>([^<]*)/dg,
];

function* pairedSecrets(text: string): Generator<Span, void> {
  for (const pair of PAIRS) {
    for (const { 1: name, indices } of text.matchAll(pair)) if (isSecretName(name!)) yield indices![2]!;
  }
}

/** curl's `-u user:password` within a text; two numbers are ids. */
const INNER_LOGIN =
  /(?<![\w-])(?:-u\s{0,4}|--(?:login|user|userinfo|proxy-user)[= ])[\w.%+@-]{1,64}:(?!\d+(?!\S)|\/\/)([^\s"'`]+)/dg;

function* loginSecrets(text: string): Generator<Span, void> {
  for (const { indices } of text.matchAll(INNER_LOGIN)) yield indices![1]!;
}

/** `--token abc` within a text. */
const INNER_OPTION = /(?<![\w-])--?([a-z][\w.-]{0,63})\s{1,4}(?![-\s])/gi;

function* optionSecrets(text: string): Generator<Span, void> {
  for (const { 0: whole, 1: name, index } of text.matchAll(INNER_OPTION)) {
    if (!isSecretName(name!)) continue;
    const start = index + whole.length;
    const quote = text.charAt(start);
    if (QUOTE.test(quote)) yield [start + 1, closingQuote(text, quote, start + 1)];
    else yield [start, endOf(/[^\s"'`]*/y, text, start)];
  }
}

function endOf(sticky: RegExp, text: string, from: number): number {
  sticky.lastIndex = from;
  return from + (sticky.exec(text)?.[0].length ?? 0);
}

/** With a scheme, or without one if it is not part of a path. */
const URL_BEGIN = /(?:([a-z][a-z\d+.-]{0,30}):|(?<![\w/.:-]))\/\//gi;

/** Schemes of URLs whose path may contain an `@` without user info. */
const PATH_HAS_AT = /^(?:|https?|wss?|file|s3|gs|data|blob|npm|oci|docker|ssh|(?:git|webpack).*)$/i;
const PLAIN_HOST = /^(?:\[[\da-f:.%]*\]|[^:@]*)(?::\d{0,5})?$/i;

/** The user info of URLs, up to the last `@`: passwords that are not encoded may contain `/`, `?`, `@` and spaces. */
function* userInfo(text: string): Generator<Span, void> {
  const urls = [...text.matchAll(URL_BEGIN)];
  for (const [i, { 0: whole, 1: scheme = '', index }] of urls.entries()) {
    const start = index + whole.length;
    const region = text.slice(start, urls[i + 1]?.index);
    const isWhole = index <= LONGEST_NAME && /^(?:[\w.-]+=)?$/.test(text.slice(0, index));
    const token = isWhole ? region : region.slice(0, endOf(/[^\s"'`<>]*/y, region, 0));
    const end = endOfUserInfo(region, token, scheme);
    if (end > 0) yield [start, start + end];
  }
}

/**
 * @param region what follows `//`, up to the next URL
 * @param token the part of it that certainly belongs to this URL: all of it if the URL is the argument, or an option's value
 */
function endOfUserInfo(region: string, token: string, scheme: string): number {
  const authority = token.slice(0, endOf(/[^/?#;\s]*/y, token, 0));
  if (authority.includes('@')) return token.lastIndexOf('@');
  if (!authority.split(',').every((host) => PLAIN_HOST.test(host))) {
    const at = (token.includes('@') ? token : region).lastIndexOf('@');
    return at < 0 ? authority.length : at;
  }
  if (PATH_HAS_AT.test(scheme)) return -1;
  return token.split(/[?;][\w.-]{1,64}=/, 1)[0]!.includes('@') ? token.lastIndexOf('@') : -1;
}

/** `user:password@host`, and Go's `user:password@tcp(host)`. */
const LOGIN =
  /(?<![\w.@:/%+-])(?!(?:acct|file|git|jsr|link|mailto|node|npm|patch|portal|sips?|workspace|xmpp):)[\w.%+-]{1,64}:(?!\\*\/)(?:(?!:\/\/)[^\s"'`]){1,256}(?=@(?!sha\d+:|v?\d+\.\d+\.\d+(?!\.))[a-z\d[])/gi;

/** Tokens with a known prefix. */
const TOKENS = [
  'eyJ[\\w-]+\\.[\\w-]+(?:\\.[\\w-]*){0,3}', // JSON web tokens
  'gh[oprsu]_\\w{4,}',
  'github_pat_\\w{4,}',
  'gl(?:agent|cbt|dt|ft|imt|pat|ptt|rt|soat)-[\\w.-]{4,}',
  'xox[a-z](?:\\.xox[a-z])?-[\\w-]{4,}',
  'xapp-[\\w-]{8,}',
  'sk-[\\w-]{8,}',
  '[rs]k_(?:live|test)_\\w{3,}',
  'whsec_[\\w+/=]{4,}',
  'A(?:KI|SI|BI|CC)A[A-Z\\d]{12,}(?::[\\w/+=]{16,})?',
  'npm_[A-Za-z\\d]{16,}',
  'AIza[\\w-]{10,}',
  'ya29\\.[\\w-]{8,}',
  'SG\\.[\\w-]{4,}\\.[\\w-]{4,}',
  'hf_[A-Za-z\\d]{16,}',
  'hv[brs]\\.[\\w-]{8,}',
  'do[opr]_v1_\\w{8,}',
  'dckr_pat_[\\w-]{8,}',
  'shp(?:at|ca|pa|ss)_\\w{8,}',
  'pypi-[\\w-]{16,}',
  'ATATT[\\w=-]{8,}',
  'gsk_\\w{16,}',
  'key-[\\da-f]{32}',
  'SK[\\da-f]{32}',
  'AGE-SECRET-KEY-1\\w+',
  '\\d{8,10}:AA[\\w-]{33}', // Telegram
];

/** Secrets that are recognized by their format alone. */
const FORMS: readonly RegExp[] = [
  new RegExp(`(?<![\\w-])(?:${TOKENS.join('|')})`, 'g'),
  /(?<=\b(?:[Bb]earer|BEARER|Basic)\s{1,4})[\w.~+/=-]+/g,
  /(?<=-----BEGIN [A-Z\d ]{1,40}-----)[^]*?(?=-----END |$)/g,
  /(?<=hooks\.slack\.com\/|discord(?:app)?\.com\/api\/webhooks\/|api\.telegram\.org\/bot|webhook\.office\.com\/|hooks\.zapier\.com\/hooks\/catch\/)[^\s"'`]+/g,
  LOGIN,
];

function* formSecrets(text: string): Generator<Span, void> {
  for (const form of FORMS) yield* matchesOf(form, text);
}

/** All matches of an expression in a text. */
export function* matchesOf(pattern: RegExp, text: string): Generator<Span, void> {
  const everywhere = pattern.global ? pattern : new RegExp(pattern, `${pattern.flags}g`);
  for (const { 0: match, index } of text.matchAll(everywhere)) yield [index, index + match.length];
}

const RULES = [namedSecrets, pairedSecrets, optionSecrets, loginSecrets, userInfo, formSecrets];
