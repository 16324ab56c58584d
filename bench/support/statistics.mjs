/** The value below which a share of all values lies. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = Math.floor(at);
  const above = Math.ceil(at);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/** Median and quartiles: half of all values lie between `low` and `high`. */
export function summary(values) {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    max: Math.max(...values),
    count: values.length,
  };
}

/** Of two series that were measured in turns: the ratio round by round. */
export function ratios(ours, theirs) {
  return summary(ours.slice(0, theirs.length).map((value, round) => value / theirs[round]));
}
