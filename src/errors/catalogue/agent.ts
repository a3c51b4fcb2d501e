import type { CatalogueEntry } from './entry.ts';

export const agentErrors = {
  'agent-gone': {
    message: 'No agent answers at {path}: {reason}.',
    remedy: 'Start it with khala-relay agent --vault FILE --socket PATH, or check the path.',
  },
  'agent-running': {
    message: 'An agent has the socket {path} already (process {pid}).',
    remedy: 'Use that one, stop it first, or choose another path.',
    usage: true,
  },
  'agent-socket-exposed': {
    message: 'The folder of the socket {path} is not private: {reason}.',
    remedy: 'Give a path in a folder of your own that has mode 0700.',
    usage: true,
  },
  'agent-protocol': {
    message: 'The other end of the agent socket does not keep to the protocol: {reason}.',
    remedy: 'Check that the path is the socket of a khala-relay agent.',
  },
  'agent-version': {
    message: 'The agent speaks version {actual} of the protocol, this program version {expected}.',
    remedy: 'Run the agent and its clients from the same version of khala-relay.',
  },
  'agent-refused': {
    message: 'The agent does not allow this: {operation}.',
    remedy: 'Start the agent with --allow for it, or use another agent.',
  },
  'agent-busy': {
    message: 'The agent takes no more than {rate} requests a second.',
    remedy: 'Send less at once, or start the agent with a higher --rate.',
  },
} as const satisfies Record<string, CatalogueEntry>;
