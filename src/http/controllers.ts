import { AllocsController } from './controllers/allocs.controller.js';
import { BlockController } from './controllers/block.controller.js';
import { CmdlineController } from './controllers/cmdline.controller.js';
import { FallbackController } from './controllers/fallback.controller.js';
import { GoroutineController } from './controllers/goroutine.controller.js';
import { GoroutineLeakController } from './controllers/goroutineleak.controller.js';
import { HeapController } from './controllers/heap.controller.js';
import { IndexController } from './controllers/index.controller.js';
import { MutexController } from './controllers/mutex.controller.js';
import { ProfileController } from './controllers/profile.controller.js';
import { SymbolController } from './controllers/symbol.controller.js';
import { SymbolzController } from './controllers/symbolz.controller.js';
import { ThreadCreateController } from './controllers/threadcreate.controller.js';
import { TraceController } from './controllers/trace.controller.js';

/** All controllers of the module. A new endpoint is a file beside these, and a line here. */
export const CONTROLLERS = [
  IndexController,
  AllocsController,
  BlockController,
  CmdlineController,
  GoroutineController,
  GoroutineLeakController,
  HeapController,
  MutexController,
  ProfileController,
  SymbolController,
  SymbolzController,
  ThreadCreateController,
  TraceController,
  FallbackController,
];
