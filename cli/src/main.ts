import { makeProgram, runProgram } from './program.js';
import { openTerminal } from './terminal/terminal.js';

// Whoever reads our output may leave early, as `head` does: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await runProgram(makeProgram(openTerminal()), process.argv);
