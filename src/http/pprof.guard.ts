import { type CanActivate, type ExecutionContext, ForbiddenException, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { isObservable, lastValueFrom } from 'rxjs';
import { refusalByDefault } from './default-access.js';
import { goException } from './errors.js';
import { type Exchange, exchangeOfContext } from './exchange.js';
import { FrontDoor } from './front-door.js';
import { rawRequest, rawResponse } from './response.js';

/** Asks the guards of the module's options, one after the other; with none, the rules for those who set none. */
@Injectable()
export class PprofGuard implements CanActivate {
  constructor(private readonly moduleRef: ModuleRef) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { mount } = this.exchange(context);
    if (mount.guards.length === 0) {
      const closed = mount.production && !mount.listen; // an address of this machine guards
      const refusal = refusalByDefault(rawRequest(context.switchToHttp().getRequest()), closed);
      if (refusal) throw new ForbiddenException(refusal);
    }
    for (const guard of mount.guards) {
      const verdict = (await guard(context)).canActivate(context);
      if (!(isObservable(verdict) ? await lastValueFrom(verdict) : await verdict)) return false;
    }
    return true;
  }

  /** @throws HttpException 404 for a path that the adapter takes for ours and Go does not, such as `/DEBUG/pprof/` */
  private exchange(context: ExecutionContext): Exchange {
    const known = exchangeOfContext(context);
    if (known) return known;
    const http = context.switchToHttp();
    const request = rawRequest(http.getRequest());
    const response = rawResponse(http.getResponse());
    for (const door of this.moduleRef.get(FrontDoor, { strict: false, each: true })) {
      const exchange = door.open(request, response);
      if (exchange) return exchange;
    }
    throw goException('unknownProfile');
  }
}
