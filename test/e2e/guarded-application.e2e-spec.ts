import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  Get,
  type INestApplication,
  Injectable,
  Module,
  UnauthorizedException,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import {
  PprofEndpoint,
  PprofHandler,
  PprofModule,
  ProfilerArgumentError,
  ProfilerService,
  samplesOf,
} from '../../src/index.js';
import { PPROF_SAMPLING } from '../../src/pprof.options.js';
import { MadeUpSampling } from '../support/made-up-sampling.js';

@Injectable()
class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { authorization } = context
      .switchToHttp()
      .getRequest<{ headers: Record<string, string> }>().headers;
    if (authorization === 'Bearer admin') return true;
    throw new UnauthorizedException();
  }
}

@PprofEndpoint({ name: 'uptime', description: 'Seconds since the process was started.' })
class UptimeController {
  @Get()
  read(): string {
    return `${process.uptime()}\n`;
  }
}

@Module({
  imports: [PprofModule.forRoot({ guards: [AdminGuard] })],
  controllers: [UptimeController],
  providers: [AdminGuard],
})
class AppModule {}

describe('an application with a guard and an endpoint of its own', () => {
  let app: INestApplication;

  beforeEach(async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] })
      .overrideProvider(PPROF_SAMPLING)
      .useValue(new MadeUpSampling())
      .compile();
    app = testing.createNestApplication({ logger: false });
    await app.init();
  });
  afterEach(() => app.close());

  const get = (path: string) =>
    request(app.getHttpServer()).get(`/debug/pprof/${path}`).set('authorization', 'Bearer admin');

  it('refuses requests that its guard refuses', async () => {
    await request(app.getHttpServer())
      .get('/debug/pprof/heap')
      .expect(401)
      .expect('x-go-pprof', '1')
      .expect('content-type', 'text/plain; charset=utf-8')
      .expect('Unauthorized\n');
  });

  it('serves the index, the profiles, and an endpoint of its own with its row', async () => {
    await get('').expect(
      200,
      /Types of profiles available:[\s\S]*>uptime<[\s\S]*Seconds since the process was started\./,
    );
    await get('uptime').expect(200, /^\d+(\.\d+)?\n$/);
    await get('heap').expect(200).expect('content-disposition', 'attachment; filename="heap"');
  });

  it('captures in code with ProfilerService', async () => {
    const profiler = app.get(ProfilerService);
    const captured = await profiler.cpuProfile({ seconds: 0.001, hz: 1000 });
    expect(captured.profile.sampleTypes.map(({ type }) => type)).toEqual(['samples', 'cpu']);
    expect((await captured.encode()).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    const heap = await profiler.heapProfile();
    expect([...samplesOf(heap.profile)].some(({ stack }) => stack[0]?.name === 'hold')).toBe(true);
    expect(profiler.profiles().map(({ name }) => name)).toEqual([
      'allocs',
      'block',
      'goroutine',
      'goroutineleak',
      'heap',
      'mutex',
      'threadcreate',
    ]);
  });

  it('gets each endpoint as a value from PprofHandler', async () => {
    const { status, headers, body } = await app.get(PprofHandler).serve('heap', { query: 'gc=1' });
    expect(status).toBe(200);
    expect(headers).toEqual({
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="heap"',
    });
    expect(body.length).toBeGreaterThan(100);
    expect((await app.get(PprofHandler).serve('nope')).status).toBe(404);
  });

  it.each([
    ['?seconds=0'],
    [new URLSearchParams({ seconds: '0' })],
    [{ seconds: '0' }],
    [{ seconds: ['0', '1'] }],
  ])('gives PprofHandler parameters as text or parsed: %j', async (query) => {
    const { status, body } = await app.get(PprofHandler).serve('heap', { query });
    expect([status, body]).toEqual([400, 'invalid value for "seconds" - must be a positive integer\n']);
  });

  it('gets ProfilerArgumentError for invalid options of a capture, and the next capture works', async () => {
    const profiler = app.get(ProfilerService);
    const odd = { seconds: '1', signal: {} } as unknown as { seconds: number; signal: AbortSignal };
    await expect(profiler.cpuProfile({ ...odd, signal: undefined })).rejects.toThrow(ProfilerArgumentError);
    await expect(profiler.cpuProfile({ ...odd, seconds: 1 })).rejects.toThrow(ProfilerArgumentError);
    await expect(profiler.cpuProfile({ sampler: 'datadog' as 'pprof' })).rejects.toThrow(
      new ProfilerArgumentError('invalid sampler datadog: expected pprof or inspector'),
    );
    for (const hz of [0, 1001, 99.5]) await expect(profiler.cpuProfile({ hz })).rejects.toThrow(/invalid hz/);
    await profiler.cpuProfile({ seconds: 0.01 });
  });
});
