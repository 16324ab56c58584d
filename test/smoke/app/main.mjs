import 'reflect-metadata';
import { UnauthorizedException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { PprofModule } from 'nestjs-pprof';
import { serve } from './serve.cjs';

const adapters = { express: ExpressAdapter, fastify: FastifyAdapter };
await serve({ adapters, NestFactory, PprofModule, UnauthorizedException });
