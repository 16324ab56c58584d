import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { commandLine, redacted } from './cmdline.js';

fc.configureGlobal({ seed: 1 }); // the same cases in every run

const JWT = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln';
const PEM = (end: string): string =>
  `-----BEGIN RSA PRIVATE KEY-----${end}MIIEow${end}-----END RSA PRIVATE KEY-----`;

/** One argument, and what is shown of it. */
const REDACTED: readonly (readonly [string, string])[] = [
  // options, variables
  ['--password=hunter2', '--password=REDACTED'],
  ['--password=a b=c;d&e,f', '--password=REDACTED'],
  ['--apiKey=k', '--apiKey=REDACTED'],
  ['-pwd=x', '-pwd=REDACTED'],
  ['DB_PASSWORD=hunter2', 'DB_PASSWORD=REDACTED'],
  ['CLIENT_SECRET=a=b', 'CLIENT_SECRET=REDACTED'],
  ['PGPASSWORD=x', 'PGPASSWORD=REDACTED'],
  ['AWS_SECRET_ACCESS_KEY=x', 'AWS_SECRET_ACCESS_KEY=REDACTED'],
  ['dbPassword=x', 'dbPassword=REDACTED'],
  ['STRIPE_KEY=x', 'STRIPE_KEY=REDACTED'],
  ['PaSsWoRd=x', 'PaSsWoRd=REDACTED'],
  ['pass-word=x', 'pass-word=REDACTED'],
  ['--auth=x', '--auth=REDACTED'],
  ['--db.auth.password2=x', '--db.auth.password2=REDACTED'],
  ['--env=DB_PASSWORD=x', '--env=DB_PASSWORD=REDACTED'],
  ['--define:process.env.API_KEY="x y"', '--define:process.env.API_KEY="REDACTED"'],
  ['--node-options=--token abc --port 3', '--node-options=--token REDACTED --port 3'],
  ['psql --password "a b" -h db', 'psql --password "REDACTED" -h db'],
  ['//registry.npmjs.org/:_authToken=abc', '//registry.npmjs.org/:_authToken=REDACTED'],
  ['--requirepass=x', '--requirepass=REDACTED'],
  ['--masterauth=x', '--masterauth=REDACTED'],
  ['--seed-phrase=x', '--seed-phrase=REDACTED'],
  ['--mfa-code=1', '--mfa-code=REDACTED'],
  // a name and its value apart
  ['--json={"name":"password","value":"hunter2"}', '--json={"name":"password","value":"REDACTED"}'],
  ['--json=["--password","hunter2"]', '--json=["--password","REDACTED"]'],
  ['--xml=<Password x="1">hunter2</Password>', '--xml=<Password x="1">REDACTED</Password>'],
  ['curl -u admin:hunter2 h', 'curl -u admin:REDACTED h'],
  ['-uadmin:hunter2', '-uadmin:REDACTED'],
  ['--login=admin:hunter2', '--login=admin:REDACTED'],
  ['123456789:AAabcdefghijklmnopqrstuvwxyz0123456', 'REDACTED'],
  // user info
  ['--url=postgres://user:pw@host/db', '--url=postgres://REDACTED@host/db'],
  ['redis://:pw@host', 'redis://REDACTED@host'],
  ['postgres://u:p/ss@h', 'postgres://REDACTED@h'],
  ['postgres://u:p@ss@h/db', 'postgres://REDACTED@h/db'],
  ['postgres://u:1/2@h/db', 'postgres://REDACTED@h/db'],
  ['mysql://root:a?b#c@db:3306/x', 'mysql://REDACTED@db:3306/x'],
  ['amqp://u:p ss@h', 'amqp://REDACTED@h'],
  ['--url=amqp://u:p@s s@h', '--url=amqp://REDACTED@h'],
  ['run amqp://u:p@h for a@b', 'run amqp://REDACTED@h for a@b'],
  ['mongodb://u:p"q@h1:27017,h2/db', 'mongodb://REDACTED@h1:27017,h2/db'],
  ['https://abc@o1.ingest.sentry.io/2', 'https://REDACTED@o1.ingest.sentry.io/2'],
  ['https://u:p/a', 'https://REDACTED/a'],
  ['https://a:b@h,https://c:d@i', 'https://REDACTED@h,https://REDACTED@i'],
  ['--proxy=//u:p@h:80', '--proxy=//REDACTED@h:80'],
  ['?next=https%3A%2F%2Fu%3Ap%40h', '?next=https%3A%2F%2FREDACTED%40h'],
  ['root:hunter2@tcp(127.0.0.1:3306)/db', 'REDACTED@tcp(127.0.0.1:3306)/db'],
  ['--smtp=me:pw@mail.host:25', '--smtp=REDACTED@mail.host:25'],
  ['--user=me:hunter2', '--user=me:REDACTED'],
  ['https:\\/\\/u:p@h\\/x', 'https:\\/\\/REDACTED@h\\/x'],
  // names within a value
  ['--dsn=host=h password=hunter2', '--dsn=host=h password=REDACTED'],
  ['host=h password=hunter2 dbname=d', 'host=h password=REDACTED dbname=d'],
  ["host=h password='a b' dbname=d", "host=h password='REDACTED' dbname=d"],
  ["host=h password='it''s' dbname=d", "host=h password='REDACTED' dbname=d"],
  ['Server=h;Pwd=x y;Database=d', 'Server=h;Pwd=REDACTED;Database=d'],
  ['Endpoint=sb://h/;SharedAccessKey=a+b=', 'Endpoint=sb://h/;SharedAccessKey=REDACTED'],
  ['--url=https://h/?access_token=abc', '--url=https://h/?access_token=REDACTED'],
  ['https://h/?a=1&access_token=a,b;c&b=2', 'https://h/?a=1&access_token=REDACTED&b=2'],
  ['https://h/?access%5Ftoken=abc&b=2', 'https://h/?access%5Ftoken=REDACTED&b=2'],
  ['https://h/?pass%77ord=abc', 'https://h/?pass%77ord=REDACTED'],
  ['https://h/?key=abc', 'https://h/?key=REDACTED'],
  ['https://h/?sv=1&sig=a%2Bb%3D', 'https://h/?sv=1&sig=REDACTED'],
  ['https://s3/o?X-Amz-Signature=ab&x=1', 'https://s3/o?X-Amz-Signature=REDACTED&x=1'],
  ['?r=https%3A%2F%2Fh%3Ftoken%3Da%26b%3D1&c=2', '?r=https%3A%2F%2Fh%3Ftoken%3DREDACTED%26b%3D1&c=2'],
  ['postgres://h/db?user=a&password=p@ss', 'postgres://h/db?user=a&password=REDACTED'],
  ['user[password]=x&user[name]=y', 'user[password]=REDACTED&user[name]=y'],
  ['{"host":"h","password":"a\\"b","x":1}', '{"host":"h","password":"REDACTED","x":1}'],
  ['{"a":"{\\"password\\":\\"x\\\\\\"y\\",\\"b\\":1}"}', '{"a":"{\\"password\\":\\"REDACTED\\",\\"b\\":1}"}'],
  ['{"pass\\u0077ord":"x"}', '{"pass\\u0077ord":"REDACTED"}'],
  ['%7B%22password%22%3A%22x%22%7D', '%7B%22password%22%3A%22REDACTED%22%7D'],
  ['{"auth":{"user":"u","pass":"p"},"x":1}', '{"auth":REDACTED,"x":1}'],
  ['{"tokens":["a","b"],"x":1}', '{"tokens":REDACTED,"x":1}'],
  ['Driver={x};PWD={a;b=c};Server=h', 'Driver={x};PWD=REDACTED;Server=h'],
  ['jdbc:sqlserver://h:1433;password=p@w;db=x', 'jdbc:sqlserver://h:1433;password=REDACTED;db=x'],
  ["{ password: 'x', host: 'h' }", "{ password: 'REDACTED', host: 'h' }"],
  ['{"pin":1234,"a":1}', '{"pin":REDACTED,"a":1}'],
  ['db:\n  password: a b\n  host: h', 'db:\n  password: REDACTED\n  host: h'],
  ['- password: x\n- host: h', '- password: REDACTED\n- host: h'],
  ['db:\n  password: |\n    abc\n  host: h', 'db:\n  password: REDACTED\n  host: h'],
  ['<db><password>x</password></db>', '<db><password>REDACTED</password></db>'],
  ['<add password="x"/>', '<add password="REDACTED"/>'],
  ["const token = 'x'; run()", "const token = 'REDACTED'; run()"],
  // headers
  ['Authorization: Bearer abc', 'Authorization: REDACTED'],
  ['Authorization: Digest username="u", response="r"', 'Authorization: REDACTED'],
  ['Cookie: sid=a; theme=dark', 'Cookie: REDACTED'],
  ['X-Api-Key: abc', 'X-Api-Key: REDACTED'],
  ["curl -H 'Authorization: Bearer abc' https://h", "curl -H 'Authorization: REDACTED' https://h"],
  ['A: b\r\nset-cookie: sid=a; b=c\r\nD: e', 'A: b\r\nset-cookie: REDACTED\nD: e'],
  ['JSESSIONID=abc; a=b', 'JSESSIONID=REDACTED'],
  ['theme=dark; connect.sid=abc; a=b', 'theme=dark; connect.sid=REDACTED; a=b'],
  // by their form
  [JWT, 'REDACTED'],
  [`--x=${JWT},y`, '--x=REDACTED,y'],
  ['--aws=AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/b+xRfiCYEXAMPLEKEY', '--aws=REDACTED'],
  ['Bearer abc', 'Bearer REDACTED'],
  ['Basic dTpw', 'Basic REDACTED'],
  [`--pem=${PEM('\n')}`, '--pem=-----BEGIN RSA PRIVATE KEY-----REDACTED-----END RSA PRIVATE KEY-----'],
  [`--pem=${PEM('\\n')}`, '--pem=-----BEGIN RSA PRIVATE KEY-----REDACTED-----END RSA PRIVATE KEY-----'],
  ['-----BEGIN PRIVATE KEY-----\nMIIE', '-----BEGIN PRIVATE KEY-----REDACTED'],
  ['https://hooks.slack.com/services/T0/B0/abc', 'https://hooks.slack.com/REDACTED'],
  ['https://api.telegram.org/bot123:abc/send', 'https://api.telegram.org/botREDACTED'],
  ...[
    'ghp_abcdefgh',
    'github_pat_11ABC_def',
    'glpat-abcdefgh',
    'xoxb-123-456-abc',
    'sk-proj-abcdefgh',
    'sk_live_abcdefgh',
    'AKIAIOSFODNN7EXAMPLE',
    'npm_abcdefghijklmnopqrstuvwxyz0123456789',
    'AIzaSyabcdefghijk',
    'SG.abcdef.ghijkl',
  ].map((token) => [`x/${token}/y`, 'x/REDACTED/y'] as const),
];

/** An argument that is shown as it is. */
const SHOWN: readonly string[] = [
  '--token-bucket=5',
  '--bearer-only=1',
  '--json={"name":"port","value":"80"}',
  'docker run -u 1000:1000 x',
  '--port=3000',
  '--author=Jane',
  '--authority=https://idp/',
  '--keyboard=us',
  '--max-tokens=5',
  '--context-tokens=100',
  '--tokens-per-second=3',
  '--token-limit=4096',
  '--tokenizer=bpe',
  '--password-file=/run/secrets/db',
  '--secret-name=db/prod',
  '--session-timeout=30',
  '--cookie-domain=example.com',
  '--auth-mode=none',
  'authSource=admin',
  '--bypass=x',
  '--compass=n',
  '--monkey=1',
  '--key=/etc/tls/key.pem',
  '--public-key=x',
  '--partition-key=id',
  'SSL_KEY=/etc/tls/key.pem',
  '--password=',
  '--require=./password-store.js',
  '--conditions=token',
  '--env-file=.env',
  '--inspect=127.0.0.1:9229',
  'https://registry.npmjs.org/@scope/pkg',
  'http://localhost:3000/users/@me',
  'https://h/?email=a@b.c',
  'postgres://h/db?user=a@b',
  'http://auth:3000/token',
  'auth:3000',
  'http://[::1]:3000/',
  'http://h:3000 is up',
  'http://unix:/var/run/docker.sock',
  'mongodb://h1:27017,h2:27017/db',
  '--path=/a//b:c',
  '--import=data:text/javascript,import "ts-node/esm"; run({ key: "a", path: "b:c" })',
  '--cron=*/5 * * * *',
  'C:\\app\\new\\main.js',
  'SELECT a FROM b WHERE c = d AND e > f',
  'user@host',
  'git@github.com:org/repo.git',
  'lodash@4.17.21',
  'npm:lodash@4.17.21',
  'nginx:1.25@sha256:abcdef',
  'mailto:a@b.c',
  '2026-11-29T21:05:00Z',
  '--locale=sk-SK',
  'npm_config_cache=/tmp/x',
  '--commit=0528204a0528204a0528204a0528204a0528204a',
  'basic usage',
  'a > b',
];

/** Options whose value is the next argument. */
const NEXT_REDACTED = [
  '--db-password', '--token', '--api-key', '--jwt', '--pwd', '--pass', '--pin', '--otp', '--cookie', '-auth',
  '--credentials', '--access-key', 'Authorization:', 'Bearer', 'Basic',
]; // prettier-ignore
const NEXT_SHOWN = [
  '--author', '--keyboard', '--max-tokens', '--no-auth', '--password-stdin', '--key', '-p', '-u', '-b',
  'password', 'bearers', '--enable-tokens',
]; // prettier-ignore

const lineOf = (text: string): string[] => redacted(['node', text]).slice(1);

describe('redacted', () => {
  it.each(REDACTED)('shows %j as %j', (arg, shown) => expect(lineOf(arg)).toEqual([shown]));

  it.each(SHOWN)('shows %j', (arg) => expect(lineOf(arg)).toEqual([arg]));

  it.each(NEXT_REDACTED)('replaces the argument after %j', (option) =>
    expect(redacted(['node', option, 'hunter2', 'last'])).toEqual(['node', option, 'REDACTED', 'last']),
  );

  it.each(NEXT_SHOWN)('shows the argument after %j', (option) =>
    expect(redacted(['node', option, 'hunter2'])).toEqual(['node', option, 'hunter2']),
  );

  it.each([
    [['--token', '--verbose'], ['--token', '--verbose']],
    [['--header', 'Authorization: Bearer abc'], ['--header', 'Authorization: REDACTED']],
    [['Authorization:', 'Bearer', 'abc'], ['Authorization:', 'REDACTED', 'REDACTED']],
    [['-e', 'DB_PASSWORD=x'], ['-e', 'DB_PASSWORD=REDACTED']],
    [['-u', 'me:hunter2'], ['-u', 'me:REDACTED']],
    [['-u', '1000:1000'], ['-u', '1000:1000']],
    [['--data', '{"password":"x"}'], ['--data', '{"password":"REDACTED"}']],
  ])('shows the arguments %j as %j', (args, shown) => expect(redacted(args)).toEqual(shown)); // prettier-ignore

  it("replaces what the user's expressions match, everywhere in an argument and beside other secrets", () => {
    expect(redacted(['--ids=AB12,AB34'], [/AB\d+/])).toEqual(['--ids=REDACTED,REDACTED']);
    expect(redacted(['--x=AB?token=y&z=1'], [/AB.token/, /x*/g])).toEqual([
      '--REDACTED=REDACTED=REDACTED&z=1',
    ]);
  });
});

const SECRET = fc
  .array(fc.constantFrom(...'kqzKQZ0379-_.~+/!*'), { minLength: 8, maxLength: 30 })
  .map((characters) => `Q9${characters.join('')}`);
const NAME = fc.constantFrom(
  'password',
  'DB_PASSWORD',
  'clientSecret',
  'api-key',
  'x-auth-token',
  'Pwd',
  'jwt',
);

/** Where a secret may be, by its name. */
const PLACES: readonly ((name: string, secret: string) => readonly string[])[] = [
  (name, secret) => [`--${name}=${secret}`],
  (name, secret) => [`--${name}`, secret],
  (name, secret) => [`${name}=${secret}`],
  (name, secret) => [`--dsn=host=h ${name}=${secret} dbname=d`],
  (name, secret) => [`Server=h;${name}=${secret};Database=d`],
  (name, secret) => [`https://h/p?a=1&${name}=${secret}&b=2`],
  (name, secret) => [JSON.stringify({ a: 1, [name]: secret, b: [secret === name] })],
  (name, secret) => [JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ [name]: secret }) }) })],
  (name, secret) => [`a: 1\n${name}: ${secret}\nb: 2`],
  (name, secret) => [`a: 1\n${name}: "${secret}"\nb: 2`],
  (name, secret) => ['-H', `X-${name}: ${secret}`],
  (name, secret) => [`?to=${encodeURIComponent(`https://h/?${encodeURIComponent(name)}=${secret}&b=2`)}`],
  (name, secret) => [encodeURIComponent(JSON.stringify({ [name]: secret }))],
  (name, secret) => [`<${name}>${secret}</${name}>`],
  (name, secret) => [`run --${name} ${secret} --port 3`],
  (_, secret) => [`postgres://user:${secret}@host:5432/db?a=1`],
  (_, secret) => [`https://user:a${secret}@host/`],
  (_, secret) => ['--header', `Authorization: Bearer ${secret}`],
  (_, secret) => [`--cookie=a=1; b=${secret}`],
  (_, secret) => ['-u', `user:${secret}`],
  (_, secret) => [`x Bearer ${secret.replaceAll(/[!*]/g, '')}`],
  (_, secret) => [`-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`],
];

describe('a secret in any of the recognised places', () => {
  it('is not shown, whatever it is and is beside it', () => {
    const place = fc.constantFrom(...PLACES);
    const plain = fc.constantFrom('--port=3000', 'serve', '{"a":"b"}', 'https://h/');
    fc.assert(
      fc.property(plain, place, NAME, SECRET, plain, (first, place, name, secret, last) => {
        const shown = redacted(['node', first, ...place(name, secret), last]);
        expect(shown.join('\0')).not.toContain(secret);
        expect(shown.join('\0')).not.toContain(secret.slice(2, 8));
        expect([shown[1], shown.at(-1)]).toEqual([first, last]);
      }),
      { numRuns: 1000 },
    );
  });

  it('does not replace text that does not look like a secret', () => {
    const text = fc.array(
      fc.constantFrom('port', 'host', ' ', ',', '/', '=', '&', '?', '--x', '{', '"', '\\', '%41'),
    );
    fc.assert(fc.property(text, (parts) => expect(lineOf(parts.join(''))).toEqual([parts.join('')])));
  });
});

/** What comes first, and what is repeated then: rules that look ahead or back without a bound would take an hour. */
const LONG = [
  ['postgres://u:', ' '],
  ['', '='],
  ['', 'eyJ'],
  ['', '\\'],
  ['', '//'],
  ['', '-----BEGIN '],
  ['', 'password'],
  ['x password="', '"a'],
  ['x password=', ' a'],
  ['x password=', '['],
] as const;

describe('an argument of 1 MiB', () => {
  it.each(LONG)('of %j and many %j is gone through once', (first, part) => {
    const arg = first + part.repeat(2 ** 20 / part.length);
    expect(redacted(['node', arg])).toHaveLength(2); // a step for each two characters would meet the test's timeout
  });
});

describe('commandLine', () => {
  it('is the executable, its options, the script and its arguments', () => {
    expect(commandLine()).toEqual([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  });
});
