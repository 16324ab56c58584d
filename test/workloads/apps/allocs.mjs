// Allocates on order, and tells when a window of time is open: what is ordered then is in it.
import * as library from 'nestjs-pprof';
import churners from './churn.cjs';
import holders from './hold.cjs';
import { announce, serve } from './serve.cjs';

/** Tells of each event to one who asks, before or after it happened. */
class Bell {
  rung = 0;
  waiting = [];

  ring() {
    const tell = this.waiting.shift();
    if (tell) tell();
    else this.rung++;
  }

  async wait() {
    if (this.rung > 0) this.rung--;
    else await new Promise((resolve) => this.waiting.push(resolve));
  }
}

const opened = new Bell();
const closed = new Bell();

/** A profile of the application's own: who has added how many is known exactly. */
let conns;
const takeConnection = () => conns.add({});
const borrowConnection = () => conns.add({});

for (const act of process.env.BEFORE?.split(' ') ?? []) holders[act]();

const app = await serve(library, {
  ...holders,
  ...churners,
  opened: () => opened.wait(),
  closed: () => closed.wait(),
  takeConnection: () => takeConnection(),
  borrowConnection: () => borrowConnection(),
  memory: () => ({ used: process.memoryUsage().heapUsed }),
  /** One capture in both forms. */
  async bothForms() {
    const captured = await app.get(library.ProfilerService, { strict: false }).heapProfile({ gc: true });
    const [binary, text] = [await captured.encode(), await captured.encodeText()];
    return { binary: binary.toString('base64'), text: text.toString() };
  },
  /** Ends the application, when it has answered; then nothing keeps the process. */
  close() {
    process.stdin.destroy();
    setImmediate(() => app.close());
  },
});

const profiler = app.get(library.ProfilerService, { strict: false });
conns = profiler.newProfile('conns', 'connections');
for (const profile of profiler.profiles()) {
  const openWindow = profile.openWindow.bind(profile);
  profile.openWindow = async () => {
    const window = await openWindow();
    opened.ring();
    const close = window.close.bind(window);
    window.close = () => {
      close();
      closed.ring();
    };
    return window;
  };
}
await announce(app);
