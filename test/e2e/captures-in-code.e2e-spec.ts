import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { join } from 'node:path';
import { Controller, Get } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type NamedProfile, ProfilerNotStartedError, ProfilerService } from '../../src/index.js';
import { ADAPTERS, closeApps, startApp, type TestApp } from '../support/app.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { request } from '../support/http.js';

describe('ProfilerService', () => {
  let directory: string;
  let app: TestApp;
  let profiler: ProfilerService;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-captures-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  beforeEach(async () => {
    app = await startApp('express');
    profiler = app.app.get(ProfilerService);
  });
  afterEach(closeApps);

  it('toFile writes the gzipped profile, or what DevTools open where the path ends like that', async () => {
    const cpu = await profiler.cpuProfile({ seconds: 0.001 });
    const heap = await profiler.heapProfile();
    const [file, cpuProfile, heapProfile] = ['a.pb.gz', 'a.cpuprofile', 'a.heapprofile'].map((name) =>
      join(directory, name),
    ) as [string, string, string];
    await cpu.toFile(file);
    await cpu.toFile(cpuProfile);
    await heap.toFile(heapProfile);
    expect(new DecodedProfile(readFileSync(file)).total('samples')).toBe(100);
    expect(readFileSync(cpuProfile)).toEqual(await cpu.encodeAs('cpuprofile'));
    expect(readFileSync(heapProfile)).toEqual(await heap.encodeAs('heapprofile'));
  });

  it('toFile rejects where the file cannot be written', async () => {
    const captured = await profiler.heapProfile();
    await expect(captured.toFile(join(directory, 'missing', 'a.pb.gz'))).rejects.toThrow('ENOENT');
  });

  it('cpuProfile ends early when its signal is aborted, with the samples so far', async () => {
    const controller = new AbortController();
    const begun = app.sampling.begun();
    const captured = profiler.cpuProfile({ seconds: 30, signal: controller.signal });
    await begun;
    controller.abort();
    expect((await captured).profile.samples.length).toBe(4);
  });

  it('stopCpuProfile without startCpuProfile is an error, also after a capture', async () => {
    await expect(profiler.stopCpuProfile()).rejects.toThrow(ProfilerNotStartedError);
    profiler.startCpuProfile({ hz: 250 });
    expect((await profiler.stopCpuProfile()).profile.period).toBe(4e6);
    await expect(profiler.stopCpuProfile()).rejects.toThrow(ProfilerNotStartedError);
  });

  it('writeTo writes a named profile, and rejects when the stream is closed before', async () => {
    const heap = profiler.lookup('heap')!;
    const stream = new PassThrough();
    await heap.writeTo(stream);
    expect(new DecodedProfile(stream.read() as Buffer).flat('inuse_space', 'hold')).toBe(2 ** 21);
    await heap.writeTo(stream, 1);
    expect(String(stream.read())).toMatch(/^heap profile: /);
    const slow = new PassThrough({ highWaterMark: 1 });
    const written = heap.writeTo(slow);
    slow.destroy();
    await expect(written).rejects.toThrow('destroyed');
  });
});

@Controller()
class ProfilesController {
  constructor(private readonly profiler: ProfilerService) {}

  @Get('profiles')
  list(): NamedProfile[] {
    return this.profiler.profiles();
  }

  @Get('profile')
  read(): NamedProfile | undefined {
    return this.profiler.lookup('block');
  }
}

describe.each(ADAPTERS)('a handler of the application on %s', (adapter) => {
  afterEach(closeApps);

  it('may return profiles, as their names, descriptions, counts and states', async () => {
    const { app, url } = await startApp(adapter, { controllers: [ProfilesController] });
    const profiler = app.get(ProfilerService);
    profiler.newProfile('leases', 'Open leases.').add({});
    profiler.setBlockProfileRate(1);
    const profiles = JSON.parse((await request(`${url}/profiles`)).text) as object[];
    expect(profiles).toHaveLength(profiler.profiles().length);
    expect(profiles).toContainEqual({ name: 'leases', description: 'Open leases.', count: 1 });
    const block = profiles.find((profile) => 'name' in profile && profile.name === 'block');
    expect(block).toEqual({
      name: 'block',
      description: expect.any(String),
      count: 0,
      status: 'on: every wait',
    });
    expect(JSON.parse((await request(`${url}/profile`)).text)).toEqual(block);
  });
});
