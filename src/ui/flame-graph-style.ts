/** The style of the flame graph page: a line above, and the picture in all that is left of the window. */
export const FLAME_GRAPH_STYLE = `
:root { color-scheme: light dark; --text: #1a2028; --back: #fff; --line: #d9dee5; --soft: #5b6673; --accent: #0a5fb4; --on-accent: #fff; --hot: #b3470b; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6eaef; --back: #12161b; --line: #333b45; --soft: #9aa5b1; --accent: #6cb2ff; --on-accent: #0b1420; --hot: #ffae70; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { display: flex; flex-direction: column; height: 100vh; height: 100dvh; margin: 0; color: var(--text); background: var(--back); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
p, h1 { margin: 0; }
a { color: var(--accent); text-underline-offset: .2em; }
a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
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
iframe { display: block; width: 100%; min-width: 660px; height: 100%; border: 0; }
`;
