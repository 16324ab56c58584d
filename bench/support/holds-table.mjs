// What holds.mjs and samples.mjs have in common: a row for each contestant, with the ratio of ours to it.
import { ALL, RUNNING } from './contestants.mjs';
import { absentRows, spread } from './report.mjs';
import { ratios, summary } from './statistics.mjs';

/** The one of ours that samples by the same means. */
function sameMeans(name) {
  if (name.startsWith('ours')) return undefined;
  if (Object.hasOwn(RUNNING, name)) return 'ours (warm)';
  return name === 'node:inspector' ? 'ours (inspector)' : 'ours (pprof)';
}

/**
 * A table and its comparisons.
 *
 * @param names who has taken part
 * @param metrics of `start`, `stop` and `after`, what is shown
 * @param prefix which captures: before the name of each metric in the series
 * @param rivalOf ours that a contestant is compared with
 */
export function holdsTable({
  group,
  title,
  where,
  names,
  metrics,
  series,
  failed,
  prefix = '',
  rivalOf = sameMeans,
}) {
  const of = (name, metric) => series.of(name, prefix + metric);
  const comparisons = names.flatMap((peer) =>
    metrics
      .filter((metric) => names.includes(rivalOf(peer)) && !lacks(peer, metric))
      .map((metric) => ({
        group,
        metric,
        where,
        ours: rivalOf(peer),
        peer,
        ratio: ratios(of(rivalOf(peer), metric), of(peer, metric)),
      })),
  );
  const ratioCell = (name, wanted) => {
    const found = comparisons.find(({ peer, metric }) => peer === name && metric === wanted);
    return found ? spread(found.ratio, 2) : '–';
  };
  const outside = metrics.filter((metric) => metric !== 'after');
  const columns = [
    '',
    ...metrics.flatMap((metric) => [`${metric}, ms`, 'ours ÷']),
    ...outside.map((metric) => `${metric} outside V8, ms`),
    'after without GC, ms',
  ];
  const rows = names.map((name) => [
    name,
    ...metrics.flatMap((metric) => [
      lacks(name, metric) ?? spread(summary(of(name, metric))),
      ratioCell(name, metric),
    ]),
    ...outside.map((metric) => (isProbed(name) ? spread(outsideV8(of, name, metric)) : '–')),
    lacks(name, 'after') ? '–' : spread(summary(of(name, 'afterOwn'))),
  ]);
  return { comparisons, table: { title, columns, rows: [...rows, ...absentRows(failed, columns.length)] } };
}

/** Why a contestant has no figure, where it has none. */
function lacks(name, metric) {
  return ALL[name]?.lacks?.[metric];
}

function isProbed(name) {
  return ALL[name]?.probes.length > 0;
}

function outsideV8(of, name, metric) {
  const native = of(name, `${metric}Native`);
  return summary(of(name, metric).map((value, i) => value - native[i]));
}
