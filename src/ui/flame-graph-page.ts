import { FLAME_GRAPH_STYLE } from './flame-graph-style.js';
import { escaped, link } from './html.js';
import { page, policyFor, styleSheet } from './page.js';

/** One thing that the page can show of a profile. */
export interface FlameGraphChoice {
  readonly label: string;
  /** Parameters of the profile, such as `seconds=5`. */
  readonly query: string;
}

/** What the page shows. */
export interface FlameGraphContent {
  /** Name of the profile. */
  readonly profile: string;
  readonly description: string;
  readonly choices: readonly FlameGraphChoice[];
  /** Address of the data that speedscope opens; undefined if the visitor has to choose first. */
  readonly source: string | undefined;
  /** Parameters of `source`, which mark the choice in force. */
  readonly query: string;
  /** Length of the capture; 0 for a reading. */
  readonly seconds: number;
  /** Whether the profile is on, and how to switch it on; undefined for one that always is. */
  readonly status: string | undefined;
  /** speedscope's first view. */
  readonly view: 'left-heavy' | 'time-ordered';
  /** Whether a later reading can be compared with the one that is shown. */
  readonly comparable: boolean;
}

const STYLE = styleSheet(FLAME_GRAPH_STYLE);

/** Allows the page its script, requests to the service, and the frame. */
export const FLAME_GRAPH_CSP = policyFor(STYLE, [
  "script-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  'img-src data:',
]);

/**
 * What speedscope needs. It inserts its styles with a script, compiles a reader of a format that is not ours, and fetches the profile from
 * the address that the page has made for it.
 */
export const SPEEDSCOPE_CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; connect-src blob:; font-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/** How to read the picture. */
const READING: Readonly<Record<FlameGraphContent['view'], string>> = {
  'left-heavy':
    'Each box is a function, as wide as its share; below it are the functions that it called. Look for wide boxes with nothing below. Point at one to see its file and line.',
  'time-ordered':
    'Each box is something that ran, in order of time. Point at one to see its name. For requests, regions and waits, save the file and open it in Perfetto.',
};

/** A page that captures a profile and has speedscope draw it. Its script is {@link FLAME_GRAPH_SCRIPT}. */
export function flameGraphPage(content: FlameGraphContent): string {
  const { profile, description, status, source, seconds, view, comparable } = content;
  const data = {
    profile,
    source,
    seconds: String(seconds),
    view,
    comparable: comparable ? '' : undefined,
  };
  const attributes = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` data-${key}="${escaped(value!)}"`);
  const body = `<header>
<h1>${escaped(profile)}</h1>
<nav aria-label="What to show">${content.choices.map((choice) => choiceOf(choice, content)).join('')}</nav>
${link('./', 'All profiles')}
</header>
<main${attributes.join('')}>
<p>${escaped(description)}</p>${status === undefined ? '' : `\n<p>${escaped(status)}</p>`}
<p id="reading" hidden>${READING[view]}</p>
<div id="capture">
<p id="status" role="status"></p>
<progress id="progress" hidden aria-label="Progress of the capture"></progress>
<button id="cancel" type="button" hidden>Cancel</button>
<button id="compare" type="button" hidden></button>
<button id="frames" type="button" hidden></button>
<a id="save" hidden>Save</a>
</div>
<p id="problem" role="alert"></p>
<noscript><p>This page needs JavaScript.</p></noscript>
<div id="picture" hidden></div>
</main>
<script src="flamegraph/page.js"></script>`;
  return page(`${profile} - flame graph`, STYLE, body);
}

function choiceOf(
  { label, query }: FlameGraphChoice,
  { profile, query: current, source }: FlameGraphContent,
): string {
  const parameters = [`profile=${encodeURIComponent(profile)}`, ...(query ? [query] : [])];
  const isCurrent = source !== undefined && query === current;
  return link(`flamegraph?${parameters.join('&')}`, label, isCurrent ? ' aria-current="true"' : '');
}
