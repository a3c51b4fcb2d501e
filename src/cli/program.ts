import { readFileSync } from 'node:fs';
import { Command } from 'commander';

interface Entry {
  readonly description: string;
  readonly load: (description: string) => Promise<Command>;
}

// Loaded when they are wanted: most commands need no chain of their own, and some no chain at all.
const commands: Readonly<Record<string, Entry>> = {
  demo: {
    description: 'the main job on a chain of its own: two entities find each other and exchange messages',
    load: async (description) => (await import('./commands/demo.ts')).demoCommand(description),
  },
  dev: {
    description: 'run a Khala-compatible chain of your own, for development and tests',
    load: async (description) => (await import('./commands/dev.ts')).devCommand(description),
  },
  keys: {
    description: 'make, show and rotate the keys of a vault',
    load: async (description) => (await import('./commands/keys.ts')).keysCommand(description),
  },
  agent: {
    description: 'hold an unlocked vault for other commands: --vault agent:SOCKET',
    load: async (description) => (await import('./commands/agent.ts')).agentCommand(description),
  },
  register: {
    description: "register the vault's entity as a worker",
    load: async (description) => (await import('./commands/register.ts')).registerCommand(description),
  },
  endpoint: {
    description: "the vault's entity's endpoints on chain",
    load: async (description) => (await import('./commands/endpoint.ts')).endpointCommand(description),
  },
  rotate: {
    description: 'make a new EcdhKey and publish it; older ones still open',
    load: async (description) => (await import('./commands/rotate.ts')).rotateCommand(description),
  },
  workers: {
    description: 'registered workers, their EcdhKeys and endpoints',
    load: async (description) => (await import('./commands/workers.ts')).workersCommand(description),
  },
  send: {
    description: 'send a message to a worker, off chain or on chain',
    load: async (description) => (await import('./commands/send.ts')).sendCommand(description),
  },
  outbox: {
    description: 'messages on their way: list, send, retry, cancel',
    load: async (description) => (await import('./commands/outbox.ts')).outboxCommand(description),
  },
  listen: {
    description: "receive the messages to the vault's entity",
    load: async (description) => (await import('./commands/listen.ts')).listenCommand(description),
  },
  inbox: {
    description: 'received messages: what waits, what could not be delivered',
    load: async (description) => (await import('./commands/inbox.ts')).inboxCommand(description),
  },
  serve: {
    description: 'run a relay: for its own entity with --vault, and for those whose endpoints name it',
    load: async (description) => (await import('./commands/serve.ts')).serveCommand(description),
  },
  phala: {
    description: "talk with Phala's own software: proves no sender but by the chain, and no order",
    load: async (description) => (await import('./commands/phala.ts')).phalaCommand(description),
  },
  doctor: {
    description: 'what a node offers, what would not work on it, and what to do',
    load: async (description) => (await import('./commands/doctor.ts')).doctorCommand(description),
  },
};

export const commandNames: readonly string[] = Object.keys(commands);

/**
 * The command line. Of its commands the one that the arguments name can run; the others are there to be listed. Throws CommanderError
 * in use.
 */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('khala-relay')
    .description('End-to-end encrypted messages between the entities of a Khala-compatible chain')
    .version(version());
  const wanted = args.find((arg) => Object.hasOwn(commands, arg));
  for (const [name, { description, load }] of Object.entries(commands))
    program.addCommand(name === wanted ? await load(description) : new Command(name).description(description));
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
