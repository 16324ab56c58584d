import { escaped, link } from './html.js';
import { identity, type IndexFacts, type RunningRow, runningNow, vitals } from './index-facts.js';
import { commandOf, type IndexRow, inOrder, linksOf } from './index-row.js';
import { INDEX_STYLE } from './index-style.js';
import { page, policyFor, styleSheet } from './page.js';

/** Where the documentation is. */
export const DOCUMENTATION = 'https://github.com/nestjs-pprof/nestjs-pprof#readme';

/** What the index shows. */
export interface IndexContent {
  /** Address of the page as the visitor used it. */
  readonly url: string;
  readonly rows: readonly IndexRow[];
  /** Names that the options switch off. */
  readonly switchedOff: readonly string[];
  /** Length of the captures that it offers. */
  readonly seconds: number;
  readonly running: readonly RunningRow[];
  readonly facts: IndexFacts;
  /** Flame graphs are on, and the package that draws them is missing. */
  readonly lacksSpeedscope: boolean;
}

const STYLE = styleSheet(INDEX_STYLE);

/** The page loads nothing, runs nothing and sends nothing. Its icon is empty, so that browsers do not request one. */
export const INDEX_CSP = policyFor(STYLE, ['img-src data:']);

/** The index: what to click, what to copy, and which process it is. */
export function indexPage(content: IndexContent): string {
  const { url, rows, seconds, running, facts } = content;
  const base = url.split('?')[0]!.replace(/\/?$/, '/');
  const rowsInOrder = inOrder(rows);
  const body = `<main>
<header>
<p class="path"><span>/debug/pprof/</span>${link(DOCUMENTATION, 'Documentation', ' rel="noreferrer"')}</p>
${identity(facts)}
</header>
${runningNow(running)}
${vitals(facts)}
<table>
<caption>Types of profiles available:</caption>
<thead><tr><th scope="col">Profile</th><th scope="col">What it shows</th><th scope="col">Stacks in the last reading</th></tr></thead>
<tbody>
${rowsInOrder.map((row) => rowOf(row, base, seconds)).join('\n')}
</tbody>
</table>
<footer>
${notes(content)
  .map((note) => `<p>${note}</p>`)
  .join('\n')}
</footer>
</main>`;
  return page('/debug/pprof/', STYLE, body);
}

function rowOf(row: IndexRow, base: string, seconds: number): string {
  const { name, description, count, status, isUnread = count === undefined } = row;
  const command = commandOf(row, base, seconds);
  return `<tr>
<th scope="row" class="name">${escaped(name).replaceAll('/', '/<wbr>')}</th>
<td><p>${escaped(description)}</p>${status === undefined ? '' : `<p class="status">${escaped(status)}</p>`}
<p class="links">${linksOf(row, seconds).join(' ')}</p>${
    command === undefined ? '' : `\n<code>${escaped(command)}</code>`
  }</td>
<td class="count${isUnread ? ' none' : ''}">${isUnread ? '–' : count}</td>
</tr>`;
}

function notes({ switchedOff, lacksSpeedscope }: IndexContent): string[] {
  return [
    ...(lacksSpeedscope ? ['Flame graphs require the package speedscope: npm install speedscope.'] : []),
    'The commands require Go. Without Graphviz, the page that -http opens shows an error: open /ui/flamegraph instead.',
    ...(switchedOff.length > 0
      ? [`Switched off by the options of the module: ${escaped(switchedOff.join(', '))}.`]
      : []),
    'Opening this page captures nothing.',
  ];
}
