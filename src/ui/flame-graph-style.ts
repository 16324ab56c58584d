/** The style of the flame graph page: a line above, and the picture in all that is left of the window. */
export const FLAME_GRAPH_STYLE = `
[hidden] { display: none !important; }
body { display: flex; flex-direction: column; height: 100vh; height: 100dvh; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; padding: .6rem 1rem; border-bottom: 1px solid var(--line); }
header > a { margin-left: auto; }
h1 { font-size: 1.25rem; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem; }
nav a, button, #save { padding: .2rem .7rem; border: 1px solid var(--line); border-radius: .35rem; color: var(--accent); background: none; font: inherit; font-size: .9rem; text-decoration: none; cursor: pointer; }
nav a:hover, button:hover, #save:hover { border-color: var(--accent); }
nav a[aria-current] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
main { display: flex; flex: 1; flex-direction: column; min-height: 0; }
main > p { padding: .5rem 1rem 0; color: var(--soft); font-size: .9rem; }
#capture { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; padding: .5rem 1rem; }
#problem { color: var(--hot); font-weight: 600; }
#problem:empty { display: none; }
progress { accent-color: var(--accent); }
#picture { flex: 1; min-height: 20rem; overflow-x: auto; border-top: 1px solid var(--line); }
@media (max-width: 36rem) {
  main > p { display: none; }
  header > a { order: -1; margin-left: 0; flex-basis: 100%; }
}
iframe { display: block; width: 100%; min-width: 660px; height: 100%; border: 0; }
`;
