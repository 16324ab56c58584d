// What a group has found, as text: on the terminal and in docs/overhead.md.
import { reasonFor } from './reasons.mjs';

/** `52.1 (48.0–60.2)`: the median, and between what half of all values lie. */
export function spread({ median, low, high }, digits = 1) {
  const text = (value) => value.toFixed(digits);
  return `${text(median)} (${text(low)}–${text(high)})`;
}

/** A Markdown table, its columns aligned. */
export function tableText({ title, columns, rows }) {
  const widths = columns.map((_, i) => Math.max(...[columns, ...rows].map((cells) => [...cells[i]].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [`### ${title}`, '', line(columns), rule, ...rows.map(line), ''].join('\n');
}

/** Rows of those that took no part, with the reason. */
export function absentRows(failed, columns) {
  return [...failed].map(([name, reason]) => [
    name,
    `not measured: ${reason.replaceAll('|', '/')}`,
    ...Array.from({ length: columns - 2 }, () => ''),
  ]);
}

/** Where a peer is better, one line for each peer and what it is better at, with the reason. */
export function worseLines(comparisons) {
  const lines = new Map();
  for (const comparison of comparisons.filter(isWorse)) {
    const { metric, peer, where, ratio } = comparison;
    const key = `${metric}, against ${peer}`;
    const line = lines.get(key) ?? { ratios: [], why: reasonFor(comparison) ?? 'Not investigated yet.' };
    line.ratios.push(`${where} ${spread(ratio, 2)}`);
    lines.set(key, line);
  }
  return [...lines].map(([key, { ratios, why }]) => ({ text: `${key}: ${ratios.join('; ')}.`, why }));
}

/** At least three quarters of the ratios say so. */
function isWorse({ ratio }) {
  return ratio.low > 1;
}
