import { createHash } from 'node:crypto';
import { escaped } from './html.js';

/** The style that the pages share: light and dark by the visitor's setting. */
const BASE_STYLE = `
:root { color-scheme: light dark; --text: #1a2028; --back: #fff; --line: #d9dee5; --soft: #5b6673; --panel: #f4f6f9; --accent: #0a5fb4; --on-accent: #fff; --hot: #b3470b; --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6eaef; --back: #12161b; --line: #333b45; --soft: #9aa5b1; --panel: #1c222a; --accent: #6cb2ff; --on-accent: #0b1420; --hot: #ffae70; }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--back); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
p, h1, ul, dl, dd { margin: 0; padding: 0; }
a { color: var(--accent); text-underline-offset: .2em; }
a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
`;

/** A style sheet of a page: what all share, and its own. */
export function styleSheet(own: string): string {
  return BASE_STYLE + own;
}

/** A page with one style sheet. */
export function page(title: string, style: string, body: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body}
</body>
</html>`;
}

/**
 * A policy that allows a page its style sheet, which it knows by the hash, and nothing else.
 *
 * @param allowed directives for what a page needs besides, such as `script-src 'self'`
 */
export function policyFor(style: string, allowed: readonly string[] = []): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return [
    "default-src 'none'",
    `style-src 'sha256-${hash}'`,
    ...allowed,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
