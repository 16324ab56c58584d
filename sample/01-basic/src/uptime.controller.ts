import { Get } from '@nestjs/common';
import { PprofEndpoint } from 'nestjs-pprof';

/** An endpoint of one's own, at `/debug/pprof/uptime`, behind the same guards and in the index. */
@PprofEndpoint({ name: 'uptime', description: 'Seconds since the process was started.' })
export class UptimeController {
  @Get()
  read(): string {
    return `${process.uptime()}\n`;
  }
}
