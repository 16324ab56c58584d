import { resolve } from 'node:path';
import { Controller, Post } from '@nestjs/common';
import { ProfilerService } from 'nestjs-pprof';

/** A capture in code: two seconds of CPU samples, written to a file. */
@Controller('capture')
export class CaptureController {
  constructor(private readonly profiler: ProfilerService) {}

  @Post()
  async capture(): Promise<{ file: string }> {
    const captured = await this.profiler.cpuProfile({ seconds: 2 });
    const file = resolve('cpu.pb.gz');
    await captured.toFile(file);
    return { file };
  }
}
