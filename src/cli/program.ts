import { readFileSync } from 'node:fs';
import { Command } from 'commander';

// Loaded when they are wanted: most commands need no chain of their own, and some no chain at all.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  dev: async () => (await import('./commands/dev.ts')).devCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  agent: async () => (await import('./commands/agent.ts')).agentCommand(),
  register: async () => (await import('./commands/register.ts')).registerCommand(),
  endpoint: async () => (await import('./commands/endpoint.ts')).endpointCommand(),
  rotate: async () => (await import('./commands/rotate.ts')).rotateCommand(),
  workers: async () => (await import('./commands/workers.ts')).workersCommand(),
  send: async () => (await import('./commands/send.ts')).sendCommand(),
  outbox: async () => (await import('./commands/outbox.ts')).outboxCommand(),
  listen: async () => (await import('./commands/listen.ts')).listenCommand(),
  inbox: async () => (await import('./commands/inbox.ts')).inboxCommand(),
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  phala: async () => (await import('./commands/phala.ts')).phalaCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
};

/** The command line, with the one command that `name` names, or else with all. Throws CommanderError in use. */
export async function buildProgram(name: string | undefined): Promise<Command> {
  const program = new Command('khala-relay')
    .description('End-to-end encrypted messages between the entities of a Khala-compatible chain')
    .version(version());
  const wanted = name !== undefined && Object.hasOwn(commands, name) ? [commands[name]] : Object.values(commands);
  for (const load of wanted) if (load !== undefined) program.addCommand(await load());
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
