'use strict';
require('reflect-metadata');
const { UnauthorizedException } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { ExpressAdapter } = require('@nestjs/platform-express');
const { FastifyAdapter } = require('@nestjs/platform-fastify');
const { PprofModule } = require('nestjs-pprof');
const { serve } = require('./serve.cjs');

const adapters = { express: ExpressAdapter, fastify: FastifyAdapter };
void serve({ adapters, NestFactory, PprofModule, UnauthorizedException });
