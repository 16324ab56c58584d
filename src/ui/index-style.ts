/** The index's style: light and dark by the visitor's setting, rows as cards on a narrow screen. */
export const INDEX_STYLE = `
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
.path { display: flex; justify-content: space-between; gap: 1rem; font-size: .9rem; }
.path span { color: var(--soft); font-family: var(--mono); }
h1 { margin: .25rem 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h1 span { font-weight: 400; color: var(--soft); }
.identity { display: flex; flex-wrap: wrap; list-style: none; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; }
.identity li:not(:last-child)::after { content: "·"; margin: 0 .5rem; }
.running { margin-top: 1rem; padding: .5rem .9rem; border-left: .25rem solid var(--hot); background: var(--panel); }
.facts { display: flex; flex-wrap: wrap; gap: 1px; margin: 1rem 0 1.5rem; background: var(--line); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.facts div { flex: 1 1 8.5rem; padding: .6rem .9rem; background: var(--panel); }
.facts dt, .facts small { font-size: .8rem; color: var(--soft); }
.facts small { display: block; font-weight: 400; }
.facts dd { font-weight: 600; font-variant-numeric: tabular-nums; }
table { width: 100%; table-layout: fixed; border-collapse: collapse; }
caption { padding: .25rem 0; text-align: left; font-weight: 600; }
th, td { padding: .9rem .75rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th:first-child { width: 10rem; }
thead th { padding-top: .25rem; padding-bottom: .25rem; border: 0; font-size: .8rem; font-weight: 400; color: var(--soft); vertical-align: bottom; }
th:first-child { padding-left: 0; }
thead th:last-child, .count { padding-right: 0; width: 6.5rem; text-align: right; font-variant-numeric: tabular-nums; }
.name { font-size: 1.05rem; overflow-wrap: anywhere; }
.status { color: var(--soft); font-size: .9rem; }
.links { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; margin-top: .5rem; }
.links a { padding: .2rem .7rem; border: 1px solid var(--line); border-radius: .35rem; font-size: .9rem; text-decoration: none; }
.links a:hover { border-color: var(--accent); }
.links .main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
code { display: block; margin-top: .5rem; color: var(--soft); overflow-wrap: anywhere; user-select: all; cursor: text; font: .8rem/1.5 var(--mono); }
footer { margin-top: 1rem; padding-top: .9rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; }
@media (max-width: 40rem) {
  main { padding: 1rem 1rem 2rem; }
  .facts div { padding: .4rem .7rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, caption, tbody, tr, th, td { display: block; width: auto; }
  tr { position: relative; padding: .9rem 0; border-top: 1px solid var(--line); }
  th, td { padding: 0; border: 0; }
  .name { width: auto; padding-right: 7rem; font-size: 1.15rem; }
  .count { position: absolute; top: .9rem; right: 0; width: auto; color: var(--soft); }
  .count:not(.none)::after { content: " stacks"; }
  .none { display: none; }
  .links a { padding: .4rem .8rem; }
}
`;
