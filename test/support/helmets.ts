import type { INestApplication } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import fastifyHelmet from '@fastify/helmet';
import helmet from 'helmet';
import type { AdapterName } from './app.js';

/** Registers helmet with its default policy. */
export async function useHelmet(app: INestApplication, adapter: AdapterName): Promise<void> {
  if (adapter === 'express') app.use(helmet());
  else await (app as NestFastifyApplication).register(fastifyHelmet, { global: true });
}
