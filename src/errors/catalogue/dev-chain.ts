import type { CatalogueEntry } from './entry.ts';

export const devChainErrors = {
  'dev-option-invalid': {
    message: '{option} is {value}, but must be {expected}.',
    remedy: 'Give such a value; khala-relay dev --help lists the options.',
    usage: true,
  },
  'dev-spec-unreadable': {
    message: 'The chain spec {spec} cannot be read: {reason}.',
    remedy: 'Check the path; without --chain-spec the spec that comes with khala-relay is used.',
  },
  'dev-spec-invalid': {
    message: 'The chain spec {spec} cannot be used: {reason}.',
    remedy: 'Give a raw chain spec (JSON with genesis.raw.top, as a node writes it with build-spec --raw).',
  },
  'dev-runtime-invalid': {
    message: 'The runtime of the chain spec {spec} does not run: {reason}.',
    remedy: 'Check that :code of the spec (0x3a636f6465) is the WASM of a Substrate runtime.',
  },
  'dev-workers-unsupported': {
    message: 'Workers cannot be written into this chain: {reason}.',
    remedy: 'Use a chain spec whose runtime has PhalaRegistry, or start without --workers.',
  },
  'dev-port-taken': {
    message: 'Port {port} on {host} is taken.',
    remedy: 'Stop the program that listens there, or give another port (0 takes any free one).',
  },
  'dev-listen-failed': {
    message: 'The dev chain cannot listen on {host}:{port}: {reason}.',
    remedy: 'Give an address of this machine and a port that you may open.',
  },
  'dev-engine-missing': {
    message: 'What the dev chain runs on cannot be loaded: {reason}.',
    remedy: 'Install khala-relay with all its dependencies: npm install @acala-network/chopsticks-executor.',
  },
  'dev-executor-failed': {
    message: 'The runtime failed: {reason}.',
    remedy: 'Look at the reason: a panic is a fault of the runtime or of the state it was given.',
  },
  'dev-block-failed': {
    message: 'Block {block} cannot be built: {reason}.',
    remedy: 'Reorg to an earlier head or start the chain anew.',
  },
  'dev-block-unknown': {
    message: 'The dev chain has no block {block}.',
    remedy: 'Give the number or hash of a block that is on the chain.',
  },
  'dev-reorg-refused': {
    message: 'No reorg to block {block}: block {finalized} is finalized.',
    remedy: 'Start the chain with a finality lag (--finality-lag N) to have blocks that can be retracted.',
  },
  'dev-time-backwards': {
    message: 'No travel to {to}: the head is already at {now} (ms).',
    remedy: 'Give a time after that of the head; the time of a chain never goes backwards.',
  },
  'dev-storage-invalid': {
    message: 'The storage cannot be set: {reason}.',
    remedy: 'Give pairs of a hex key and a hex value, or null to remove the key.',
    usage: true,
  },
  'dev-data-other-chain': {
    message: 'The folder {path} keeps a chain that was begun with {differing}.',
    remedy:
      'Give the --workers and the --chain-spec (without it: the version of khala-relay) that it was begun with, or another folder.',
  },
  'dev-data-invalid': {
    message: 'What the folder {path} keeps of a chain cannot be used: {reason}.',
    remedy: 'Bring back a copy of the folder, or give another one to begin anew.',
  },
  'dev-chain-stopped': {
    message: 'The dev chain was stopped.',
    remedy: 'Start another with startDevChain or khala-relay dev.',
  },
} as const satisfies Record<string, CatalogueEntry>;
