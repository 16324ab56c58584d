// Prints the claims of all test files as one table at the end of the run.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const COLUMNS = ['claim', 'measured', 'bound', 'n'];

export default class TableReporter {
  directory = mkdtempSync(join(tmpdir(), 'nestjs-pprof-truth-'));

  onRunStart() {
    process.env.TRUTH_ROWS = join(this.directory, 'rows');
    writeFileSync(process.env.TRUTH_ROWS, '');
  }

  onRunComplete() {
    const lines = readFileSync(process.env.TRUTH_ROWS, 'utf8').trimEnd().split('\n').filter(Boolean);
    rmSync(this.directory, { recursive: true });
    const rows = lines.map((line) => JSON.parse(line));
    const outside = rows.filter(({ holds }) => !holds).length;
    const text = `${tableOf(rows)}\n\n${rows.length} claims, ${outside} outside of the bound\n`;
    process.stdout.write(`\n${text}`);
    const { TRUTH_TABLE } = process.env;
    if (TRUTH_TABLE) writeFileSync(TRUTH_TABLE, text);
  }
}

/** In Markdown. */
function tableOf(rows) {
  const cells = rows.map((row) => [
    row.claim,
    row.measured,
    row.holds ? row.bound : `${row.bound} **OUTSIDE**`,
    row.n,
  ]);
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...cells.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [COLUMNS, rule, ...cells].map(line).join('\n');
}
