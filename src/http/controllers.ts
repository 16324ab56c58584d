import { AllocsController } from './controllers/allocs.controller.js';
import { CmdlineController } from './controllers/cmdline.controller.js';
import { FallbackController } from './controllers/fallback.controller.js';
import { HeapController } from './controllers/heap.controller.js';
import { IndexController } from './controllers/index.controller.js';
import { ProfileController } from './controllers/profile.controller.js';
import { SymbolController } from './controllers/symbol.controller.js';
import { SymbolzController } from './controllers/symbolz.controller.js';

/** All controllers of the module. A new endpoint is a file beside these, and a line here. */
export const CONTROLLERS = [
  IndexController,
  AllocsController,
  CmdlineController,
  HeapController,
  ProfileController,
  SymbolController,
  SymbolzController,
  FallbackController,
];
