// Who tells what holds the event loop. Each gives
//   imports    modules for the Nest application
//   ready(app) called when that is up
//   on(), off()
//   told()     of what it has told since the last time: { count, ms, name }, the name that of who held longest
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';

const require = createRequire(import.meta.url);
export const THRESHOLD_MS = 50;

export const WATCHERS = { nobody: () => ({}), ours, blockedAt };

async function ours() {
  const { PprofModule, ProfilerService } = await import('../../dist/esm/index.js');
  const { Profile } = require('pprof-format');
  let profiler;
  let before = new Map();
  return {
    imports: [PprofModule.forRoot({ sampler: 'inspector' })],
    ready(app) {
      profiler = app.get(ProfilerService, { strict: false });
    },
    on: () => void profiler.setMutexProfileThreshold(THRESHOLD_MS),
    off: () => void profiler.setMutexProfileThreshold(0),
    /** The profile is a total since the start, and a hold's time in it is shared among all stacks that were seen in it. */
    async told() {
      const captured = await profiler.lookup('mutex').collect();
      const now = stacksOf(Profile.decode(gunzipSync(await captured.encode())));
      const news = [...now].map(([key, { count, ms, frames }]) => {
        const old = before.get(key);
        return { count: count - (old?.count ?? 0), ms: ms - (old?.ms ?? 0), frames };
      });
      before = now;
      const holders = news.filter(({ count }) => count > 0);
      return {
        count: sumOf(holders, 'count'),
        ms: sumOf(news, 'ms'),
        name: nameOf(longest(holders)?.frames),
      };
    },
  };
}

function blockedAt() {
  let watch;
  let told = [];
  return {
    on() {
      watch = require('blocked-at')((ms, stack) => told.push({ ms, frames: stack.map(frameOf) }), {
        threshold: THRESHOLD_MS,
      });
    },
    off: () => watch?.stop(),
    told() {
      const news = told;
      told = [];
      return { count: news.length, ms: sumOf(news, 'ms'), name: nameOf(longest(news)?.frames) };
    },
  };
}

/** Samples of `mutex` by their stacks. */
function stacksOf(profile) {
  const text = (index) => profile.stringTable.strings[Number(index)];
  const functions = new Map(profile.function.map((each) => [each.id, each]));
  const locations = new Map(
    profile.location.map(({ id, line }) => {
      const { name, filename } = functions.get(line[0].functionId);
      return [id, { name: text(name), file: text(filename) }];
    }),
  );
  return new Map(
    profile.sample.map(({ locationId, value: [count, nanos] }) => [
      locationId.join(),
      {
        count: Number(count),
        ms: Number(nanos) / 1e6,
        frames: locationId.map((id) => locations.get(id)),
      },
    ]),
  );
}

/** A line of a stack of V8's: `    at HoldsService.loop (file:///…:12:3)`. */
function frameOf(line) {
  const [, name, file] = /^\s*at (?:async )?(?:(.+) \()?(.+?):\d+:\d+\)?$/.exec(line) ?? [];
  return { name: name ?? '(anonymous)', file: file ?? '' };
}

/** The innermost function of the application's own; where there is none, V8's word for what the thread did, if it tells. */
function nameOf(frames) {
  if (!frames) return undefined;
  const own = frames.find(({ file }) => file !== '' && !/^node:|\/node_modules\//.test(file));
  return own?.name ?? (frames[0]?.file === '' ? frames[0].name : 'none of its own');
}

function longest(list) {
  return list.reduce((longest, each) => (longest && longest.ms >= each.ms ? longest : each), undefined);
}

function sumOf(list, what) {
  return list.reduce((sum, each) => sum + each[what], 0);
}
