import { Get, Req } from '@nestjs/common';
import { ProfileRegistry } from '../../profiling/profile-registry.js';
import { INDEX_CSP, type IndexRow, indexPage } from '../../ui/index-page.js';
import { PprofEndpoint } from '../endpoint.decorator.js';
import { html, type PprofReply } from '../reply.js';
import { pprofRequest } from '../request.js';
import { Routes } from '../routes.js';
import { CPU_FORMAT } from './profile.js';

@PprofEndpoint({ name: '', description: '' })
export class IndexEndpoint {
  constructor(
    private readonly routes: Routes,
    private readonly registry: ProfileRegistry,
  ) {}

  @Get()
  serve(@Req() request: object): PprofReply {
    return html(indexPage(pprofRequest(request).url, this.rows()), INDEX_CSP);
  }

  private rows(): IndexRow[] {
    const endpoints = this.routes.endpoints
      .filter(({ description }) => description !== '')
      .map(({ name, description }) => ({
        name,
        description,
        count: undefined,
        devToolsFormat: name === 'profile' ? CPU_FORMAT : undefined,
      }));
    const profiles = this.registry
      .profiles()
      .filter(({ name }) => this.routes.isOn(name))
      .map((profile) => ({
        name: profile.name,
        description: profile.description,
        count: profile.count(),
        status: profile.status,
        hasDump: profile.hasDump,
        devToolsFormat: profile.devToolsFormat,
      }));
    return [...endpoints, ...profiles];
  }
}
