#!/usr/bin/env node
import { CommanderError } from 'commander';
import { buildProgram } from './program.ts';
import { exitCodes, reportError } from './report-error.ts';

// Where its reader has gone (as with `| head`) the command that runs is interrupted; of one that is done this is the last word.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') process.exit(exitCodes.failed);
  process.exitCode ??= exitCodes.readerGone;
});

try {
  const program = await buildProgram(process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? undefined : exitCodes.usage;
  else process.exitCode ??= reportError(error);
}
