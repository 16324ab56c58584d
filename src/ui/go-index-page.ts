import { escaped } from './html.js';
import type { IndexRow } from './index-row.js';
import { policyFor } from './page.js';

const STYLE = `
.profile-name{
	display:inline-block;
	width:6rem;
}
`;

/** The page has a style sheet of Go's, and nothing else to load. */
export const GO_INDEX_CSP = policyFor(STYLE);

/**
 * The page of Go's `pprof.Index`, letter by letter.
 *
 * @see https://github.com/golang/go/blob/master/src/net/http/pprof/pprof.go
 */
export function goIndexPage(rows: readonly IndexRow[]): string {
  const sorted = rows.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return `<html>
<head>
<title>/debug/pprof/</title>
<style>${STYLE}</style>
</head>
<body>
/debug/pprof/
<br>
<p>Set debug=1 as a query parameter to export in legacy text format</p>
<br>
Types of profiles available:
<table>
<thead><td>Count</td><td>Profile</td></thead>
${sorted
  .map(
    ({ name, count = 0 }) =>
      `<tr><td>${count}</td><td><a href='${escaped(name)}?debug=1'>${escaped(name)}</a></td></tr>\n`,
  )
  .join('')}</table>
<a href="goroutine?debug=2">full goroutine stack dump</a>
<br>
<p>
Profile Descriptions:
<ul>
${sorted
  .map(
    ({ name, description }) =>
      `<li><div class=profile-name>${escaped(name)}: </div> ${escaped(description)}</li>\n`,
  )
  .join('')}</ul>
</p>
</body>
</html>`;
}
