/** The index's style: light and dark by the visitor's setting, rows as cards on a narrow screen. */
export const INDEX_STYLE = `
:root { color-scheme: light dark; --line: #d9dee5; --soft: #5b6673; --panel: #f4f6f9; --accent: #0a66c2; }
@media (prefers-color-scheme: dark) {
  :root { --line: #333b45; --soft: #9aa5b1; --panel: #1c222a; --accent: #6cb2ff; }
  body { background: #12161b; color: #e6eaef; }
}
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { margin: 0 0 1rem; font: 600 1.5rem/1.2 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a { color: var(--accent); text-underline-offset: .2em; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2rem; margin: 0 0 2rem; padding: .9rem 1.1rem; background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; }
.facts dt { font-size: .8rem; color: var(--soft); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: .8rem; font-weight: 500; color: var(--soft); }
th, td { padding: .8rem .9rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, .count { text-align: right; width: 1%; font-variant-numeric: tabular-nums; }
.name { width: 1%; white-space: nowrap; font-weight: 600; }
td p { margin: 0; }
.status { margin-top: .25rem; color: var(--soft); font-size: .9rem; }
.links { white-space: nowrap; }
.links a { margin-left: .5rem; font-size: .9rem; }
code { display: block; margin-top: .5rem; padding: .4rem .6rem; overflow-x: auto; white-space: nowrap; user-select: all; cursor: text; background: var(--panel); border: 1px solid var(--line); border-radius: .35rem; font: .85rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.note { color: var(--soft); font-size: .9rem; }
@media (max-width: 36rem) {
  main { padding: 1.25rem 1rem 3rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, td { display: block; width: auto; }
  tr { position: relative; padding: .9rem 0; border-bottom: 1px solid var(--line); }
  td { padding: 0; border: 0; }
  .name { width: auto; font-size: 1.1rem; }
  .count { position: absolute; right: 0; width: auto; color: var(--soft); }
}
`;
