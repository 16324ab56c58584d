import { Inject } from '@nestjs/common';

/** What a profile of `PprofModule.forFeature` is provided as. */
export function profileToken(name: string): string {
  return `PprofProfile(${name})`;
}

/**
 * Injects a profile of the application's own, which `PprofModule.forFeature` has registered.
 *
 * @example
 * constructor(@InjectProfile('db_connections') private readonly connections: CustomProfile) {}
 *
 * @publicApi
 */
export function InjectProfile(name: string): ParameterDecorator & PropertyDecorator {
  return Inject(profileToken(name));
}
