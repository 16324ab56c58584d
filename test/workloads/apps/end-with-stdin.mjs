// For what is no workload app: ends the process when whoever started it has gone.
process.stdin.on('end', () => process.exit()).resume();
