import { CmdlineEndpoint } from './endpoints/cmdline.js';
import { FlameGraphEndpoint } from './endpoints/flame-graph.js';
import { HeapSnapshotEndpoint } from './endpoints/heapsnapshot.js';
import { IndexEndpoint } from './endpoints/index-page.js';
import { NamedProfileEndpoint } from './endpoints/named-profile.js';
import { ProfileEndpoint } from './endpoints/profile.js';
import { TraceEndpoint } from './endpoints/trace.js';
import { SymbolEndpoint, SymbolzEndpoint } from './endpoints/symbol.js';

/** All endpoints of the library. To add one, add a file in that folder and a line here. */
export const ENDPOINTS = [
  IndexEndpoint,
  CmdlineEndpoint,
  FlameGraphEndpoint,
  HeapSnapshotEndpoint,
  ProfileEndpoint,
  SymbolEndpoint,
  SymbolzEndpoint,
  TraceEndpoint,
  NamedProfileEndpoint,
];
