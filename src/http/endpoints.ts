import { CmdlineEndpoint } from './endpoints/cmdline.js';
import { HeapSnapshotEndpoint } from './endpoints/heapsnapshot.js';
import { IndexEndpoint } from './endpoints/index-page.js';
import { NamedProfileEndpoint } from './endpoints/named-profile.js';
import { ProfileEndpoint } from './endpoints/profile.js';
import { TraceEndpoint } from './endpoints/trace.js';
import { SymbolEndpoint, SymbolzEndpoint } from './endpoints/symbol.js';

/** All endpoints of the library. A new one is a file beside these, and a line here. */
export const ENDPOINTS = [
  IndexEndpoint,
  CmdlineEndpoint,
  HeapSnapshotEndpoint,
  ProfileEndpoint,
  SymbolEndpoint,
  SymbolzEndpoint,
  TraceEndpoint,
  NamedProfileEndpoint,
];
