/**
 * The script of the flame graph page, for the browser. It is text, so that bundled applications have it too.
 *
 * It fetches what `data-source` names, in the format of speedscope or as trace events, and opens it in speedscope, which is
 * a page of its own in a frame.
 */
export const FLAME_GRAPH_SCRIPT = `'use strict';
(() => {
  const [main, reading, status, progress, cancel, compare, frames, save, problem, picture] = [
    'main', '#reading', '#status', '#progress', '#cancel', '#compare', '#frames', '#save', '#problem', '#picture',
  ].map((selector) => document.querySelector(selector));
  const { profile, source, view, comparable } = main.dataset;
  const seconds = Number(main.dataset.seconds);

  /** Of the file that is drawn. */
  let url;

  const timeOf = (date) => date.toLocaleTimeString();

  /** Fetches the source and returns what it is, and when it was taken; undefined if that failed, which the page then says. */
  async function capture() {
    const controller = new AbortController();
    cancel.onclick = () => controller.abort();
    const ticking = showProgress();
    problem.textContent = '';
    cancel.hidden = progress.hidden = false;
    compare.hidden = frames.hidden = save.hidden = true;
    try {
      // Not relative: the address may have credentials, which fetch does not accept.
      const response = await fetch(location.origin + location.pathname.replace(/[^/]*$/, '') + source, { signal: controller.signal });
      const text = await response.text();
      if (!response.ok) return void fail(refusal(response, text));
      const file = parsed(text);
      if (file) return { file, at: new Date() };
      fail('The response is not a profile.');
    } catch {
      if (controller.signal.aborted) say('Canceled.');
      else fail('The service did not respond. Is it running?');
    } finally {
      clearInterval(ticking);
      cancel.hidden = progress.hidden = true;
    }
  }

  function showProgress() {
    const begin = performance.now();
    progress.removeAttribute('value');
    if (seconds === 0) return void say('Reading ' + profile + ' …');
    progress.max = seconds;
    const tick = () => {
      const passed = Math.min((performance.now() - begin) / 1000, seconds);
      progress.value = passed;
      if (passed < seconds) say('Capturing: ' + Math.floor(passed) + ' of ' + seconds + ' s');
      else say('Waiting for the profile …');
    };
    tick();
    return setInterval(tick, 200);
  }

  /** Undefined for what speedscope would not open. */
  function parsed(text) {
    try {
      const file = JSON.parse(text);
      return file.traceEvents || shownIn(file) ? file : undefined;
    } catch {
      return undefined;
    }
  }

  /** The profile that is shown first: where memory has only been freed, that. */
  function shownIn({ profiles, activeProfileIndex }) {
    const active = profiles[activeProfileIndex];
    const freed = profiles.find(({ name }) => name === active.name + ' freed');
    return active.samples.length === 0 && freed ? freed : active;
  }

  function refusal({ status: code, statusText }, text) {
    const isPage = text.startsWith('<'); // of a proxy
    const reason = isPage ? statusText : text.split('\\n', 1)[0].slice(0, 300);
    if (code === 401) return 'The service requires credentials (401): reload the page and sign in.';
    if (code === 403) return 'The service refused access (403): ' + reason;
    const busy = reason.includes('already') ? '. Another capture is running: try again when it has ended.' : '';
    return 'The capture failed (' + code + '): ' + reason + busy;
  }

  function say(text) {
    status.textContent = text;
  }

  function fail(text) {
    say('');
    problem.textContent = text;
  }

  /** Shows a file, or says why there is no picture. */
  function show(file, title, nothing) {
    const shown = file.profiles && shownIn(file);
    picture.hidden = shown?.samples.length === 0;
    reading.hidden = picture.hidden;
    if (picture.hidden) return say(nothing);
    say(title);
    offerFile(file);
    if (!shown) return draw(runs(file), title);
    const opened = { ...file, activeProfileIndex: file.profiles.indexOf(shown) };
    offerAllFrames(opened, title, true);
    draw(ownCode(opened), title);
  }

  function offerFile(file) {
    URL.revokeObjectURL(save.href);
    save.href = urlOf(file);
    save.download = source.split('?', 1)[0] + (file.traceEvents ? '.json' : '.speedscope.json');
    save.hidden = false;
  }

  function urlOf(file) {
    return URL.createObjectURL(new Blob([JSON.stringify(file)], { type: 'application/json' }));
  }

  function offerAllFrames(file, title, all) {
    frames.hidden = false;
    frames.textContent = all ? 'Show all frames' : 'Show only your code';
    frames.onclick = () => {
      draw(all ? file : ownCode(file), title);
      offerAllFrames(file, title, !all);
    };
  }

  function draw(file, title) {
    const frame = document.createElement('iframe');
    frame.title = 'Flame graph of ' + title;
    URL.revokeObjectURL(url);
    url = urlOf(file);
    frame.src = 'flamegraph/index.html#profileURL=' + encodeURIComponent(url) + '&view=' + view;
    frame.onload = () => frame.focus(); // its keys work at once
    picture.replaceChildren(frame);
  }

  /** The same with one frame for adjacent ones of packages and Node.js: the package of the innermost, which was called last. */
  function ownCode({ shared, ...file }) {
    const packages = shared.frames.map(packageOf);
    const names = [...new Set(packages.filter(Boolean))];
    const count = shared.frames.length;
    const frameOf = (frame) => (packages[frame] ? count + names.indexOf(packages[frame]) : frame);
    const isBuiltIn = (frame) => !shared.frames[frame].file && !shared.frames[frame].name.startsWith('(');
    const collapsed = (stack) => {
      const frames = stack.filter((frame, i) => !isBuiltIn(frame) || !packages[stack[i - 1]]);
      return frames.filter((frame, i) => !packages[frame] || !packages[frames[i + 1]]).map(frameOf);
    };
    const profiles = file.profiles.map((profile) => ({ ...profile, samples: profile.samples.map(collapsed) }));
    return { ...file, shared: { frames: [...shared.frames, ...names.map((name) => ({ name }))] }, profiles };
  }

  /** Undefined for the application's own code, and for frames that are no code. */
  function packageOf({ file = '' }) {
    if (file.startsWith('node:')) return 'Node.js';
    return /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1];
  }

  /**
   * What ran, by name: to speedscope, the same name with other arguments is another frame. Where a run ends at the nanosecond at which the
   * next one begins, it would draw the next one below.
   */
  function runs({ traceEvents }) {
    return traceEvents
      .filter(({ ph, dur }) => ph !== 'X' || dur > 0)
      .map(({ args, ...event }) => (event.ph === 'X' ? { ...event, dur: event.dur - 0.0005 } : { ...event, args }));
  }

  /** What a later reading has more than an earlier one, by stack. */
  function growth(before, after) {
    const profiles = after.profiles.map((profile, i) => {
      const earlier = before.profiles.findIndex(({ name }) => name === profile.name);
      const had = new Map(earlier < 0 ? [] : stacksOf(before, earlier));
      const samples = [];
      const weights = [];
      for (const [n, [key, weight]] of stacksOf(after, i).entries()) {
        const grown = weight - (had.get(key) ?? 0);
        if (grown > 0) weights.push(grown) && samples.push(profile.samples[n]);
      }
      return { ...profile, samples, weights, endValue: weights.reduce((sum, weight) => sum + weight, 0) };
    });
    return { ...after, profiles };
  }

  function stacksOf({ shared, profiles }, i) {
    const keys = shared.frames.map(({ name, file, line }) => [name, file, line].join('\\0'));
    const { samples, weights } = profiles[i];
    return samples.map((stack, n) => [stack.map((frame) => keys[frame]).join('\\n'), weights[n]]);
  }

  function offerComparison(first) {
    compare.hidden = comparable === undefined;
    compare.textContent = 'What has grown since ' + timeOf(first.at) + '?';
    compare.onclick = async () => {
      const second = await capture();
      offerComparison(first);
      if (!second) return void (frames.hidden = save.hidden = picture.hidden);
      const span = timeOf(first.at) + ' and ' + timeOf(second.at);
      show(growth(first.file, second.file), profile + ': growth between ' + span, 'Nothing has grown between ' + span + '.');
    };
  }

  async function start() {
    if (source === undefined) return say('Select a time.');
    const taken = await capture();
    if (!taken) return;
    const title = profile + (seconds ? ': ' + seconds + ' s until ' : ' at ') + timeOf(taken.at);
    show(taken.file, title, seconds ? 'The profile is empty: nothing to record in these ' + seconds + ' s.' : 'The profile is empty.');
    offerComparison(taken);
  }

  void start();
})();
`;
