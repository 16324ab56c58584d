import { Module } from '@nestjs/common';
import { Transport } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { PprofModule, ProfilerService } from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import { UptimeController } from '../support/application-parts.js';
import { DecodedProfile } from '../support/decoded-profile.js';
import { MadeUpSampling } from '../support/made-up-sampling.js';

@Module({ imports: [PprofModule.forRoot()], controllers: [UptimeController] })
class AppModule {}

const compiled = () =>
  Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(PPROF_SAMPLING)
    .useValue(new MadeUpSampling())
    .compile();

describe('an application without HTTP', () => {
  it('boots and captures as an application context', async () => {
    const context = await (await compiled()).init();
    expect(await captured(context.get(ProfilerService))).toEqual([100, 2 ** 21]);
    await context.close();
  });

  it('boots and captures as a microservice', async () => {
    const options = { transport: Transport.TCP, options: { port: 0, host: '127.0.0.1' } } as const;
    const microservice = (await compiled()).createNestMicroservice({ ...options, logger: false });
    await microservice.listen();
    expect(await captured(microservice.get(ProfilerService))).toEqual([100, 2 ** 21]);
    await microservice.close();
  });
});

/** Samples of a CPU profile, and bytes of one function in a heap profile. */
async function captured(profiler: ProfilerService): Promise<number[]> {
  const cpu = await profiler.cpuProfile({ seconds: 0.001 });
  const heap = await profiler.heapProfile();
  return [
    new DecodedProfile(await cpu.encode()).total('samples'),
    new DecodedProfile(await heap.encode()).flat('inuse_space', 'hold'),
  ];
}
