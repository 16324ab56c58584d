import { CmdlineController } from './controllers/cmdline.controller.js';
import { FallbackController } from './controllers/fallback.controller.js';
import { HeapController } from './controllers/heap.controller.js';
import { IndexController } from './controllers/index.controller.js';
import { ProfileController } from './controllers/profile.controller.js';

/** All controllers of the module. A new endpoint is a file beside these, and a line here. */
export const CONTROLLERS = [
  IndexController,
  CmdlineController,
  HeapController,
  ProfileController,
  FallbackController,
];
