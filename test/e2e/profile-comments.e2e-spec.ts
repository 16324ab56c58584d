import { hostname } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { closeApps, startApp, type TestApp } from '../support/app.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { describeGo, goPprof, profileFile } from '../support/go.js';
import { request } from '../support/http.js';

const GIVEN = ['service cats', 'commit 1a2b3c', 'höchst privat', ''];

/** What every profile says of the process. */
const PROCESS = [
  `node ${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`,
  `host ${hostname()}, pid ${process.pid}`,
];

describe.each([
  {
    path: 'profile?seconds=1&hz=200',
    about: ['CPU samples of the main thread by inspector at 200 Hz', 'weighted by hand'],
  },
  {
    path: 'heap',
    about: ['heap sampled by inspector, every 65536 bytes'],
  },
])('the comments of $path', ({ path, about }) => {
  let app: TestApp;
  let bytes: Buffer;
  beforeAll(async () => {
    app = await startApp('express', { pprof: { profileComments: GIVEN, memProfileRate: 65_536 } });
    bytes = (await request(`${app.base}/${path}`)).body;
  });
  afterAll(closeApps);

  it('begin with the option profileComments, and name the sampler, its rate, Node, V8, host and process', () => {
    const { comments } = new DecodedProfile(bytes);
    expect(comments.slice(0, GIVEN.length)).toEqual(GIVEN);
    expect(comments).toEqual(expect.arrayContaining([...about, ...PROCESS]));
  });

  describeGo('go tool pprof -comments', () => {
    it(`prints the comments of ${path}`, async () => {
      const file = profileFile(`comments-${path.slice(0, 4)}.pb.gz`, bytes);
      const lines = (await goPprof('-comments', file)).split('\n');
      expect(lines).toEqual(expect.arrayContaining([...GIVEN, ...about, ...PROCESS]));
    });
  });
});
