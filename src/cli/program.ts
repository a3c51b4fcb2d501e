import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { demoCommand } from './commands/demo.ts';
import { devCommand } from './commands/dev.ts';
import { doctorCommand } from './commands/doctor.ts';
import { endpointCommand } from './commands/endpoint.ts';
import { keysCommand } from './commands/keys.ts';
import { listenCommand } from './commands/listen.ts';
import { registerCommand } from './commands/register.ts';
import { rotateCommand } from './commands/rotate.ts';
import { sendCommand } from './commands/send.ts';
import { serveCommand } from './commands/serve.ts';
import { workersCommand } from './commands/workers.ts';

/** The whole command line; throws CommanderError instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('khala-relay')
    .description('End-to-end encrypted messages between the entities of a Khala-compatible chain')
    .version(version());
  const commands = [
    demoCommand(),
    devCommand(),
    keysCommand(),
    registerCommand(),
    endpointCommand(),
    rotateCommand(),
    workersCommand(),
    sendCommand(),
    listenCommand(),
    serveCommand(),
    doctorCommand(),
  ];
  for (const made of commands) program.addCommand(made);
  return throwing(program);
}

function throwing(made: Command): Command {
  made.exitOverride();
  for (const child of made.commands) throwing(child);
  return made;
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
