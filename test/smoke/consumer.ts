/** The types of the package as its users import them; compiled in a directory where it is installed. */
import { Module } from '@nestjs/common';
import { type CapturedProfile, PprofModule, type PprofModuleOptions, ProfilerService } from 'nestjs-pprof';

const options: PprofModuleOptions = { path: 'ops/pprof', cmdline: { redact: [/secret/] } };

@Module({ imports: [PprofModule.forRoot(options)] })
export class AppModule {}

export const capture = (profiler: ProfilerService): Promise<CapturedProfile> =>
  profiler.cpuProfile({ seconds: 1 });

// @ts-expect-error: a number is no path, so the types are not `any`
PprofModule.forRoot({ path: 1 });
// @ts-expect-error: seconds is a number
export const wrong = (profiler: ProfilerService) => profiler.cpuProfile({ seconds: 'one' });
