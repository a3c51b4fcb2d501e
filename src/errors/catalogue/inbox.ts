import type { CatalogueEntry } from './entry.ts';

export const inboxErrors = {
  'sender-not-proven': {
    message: 'The message says it is from {claimed}, but {proven} posted it.',
    remedy: 'Ignore it; whoever posted it is not who it names.',
  },
  'inbox-subscribed': {
    message: 'The inbox has a subscriber already.',
    remedy: 'Share the one subscription; each delivery goes to one consumer.',
  },
  'inbox-stopped': {
    message: 'The inbox can not go on: {reason}.',
    remedy: 'Start it again; nothing that was not acknowledged is lost.',
  },
  'blocks-missing': {
    message:
      'No endpoint has the state of blocks {first} to {last} any more, so their messages can not be known ({reason}).',
    remedy:
      'Give an archive node with --ws (one started with --state-pruning archive), or go on without them: --on-gap skip. Where nothing was read since --from was given, a later block can be given in its place.',
  },
  'reading-from': {
    message: 'Nothing of the chain was read into this store before: reading begins at block {block}.',
    remedy: 'For earlier messages name the first block (--from N), with another data folder: what was read counts.',
  },
  'already-read': {
    message: 'This store has read up to block {block}: reading goes on from there, and not from block {from}.',
    remedy:
      'Leave the first block out; or, to read from it all the same, give another data folder, to which all is delivered anew.',
  },
  'inbox-empty': {
    message: 'Nothing was received here yet.',
    remedy: 'Run khala-relay listen or serve with this vault first, or give their data folder with --data.',
  },
  'handler-failed': {
    message: 'The handler of the message {messageId} failed.',
    remedy: 'Mend what its cause says and handle again: the message was not acknowledged, so it comes again.',
  },
  'store-of-another-chain': {
    message: 'The store belongs to the chain with genesis hash {stored}, not to {genesisHash}.',
    remedy: 'Give each chain a store of its own.',
    usage: true,
  },
  'store-of-newer-version': {
    message:
      'The inbox in this store has layout {stored}, and this version of khala-relay knows layouts up to {known}.',
    remedy:
      'Use the version that wrote it, or a later one; or give another data folder, and the first block to read with --from.',
    usage: true,
  },
  'cursor-not-on-chain': {
    message: 'The store has read up to block {block}, {hash}, and the chain has no such block.',
    remedy:
      'A chain started anew: remove the data folder. A node still catching up: wait, or name another by --ws. Blocks that one node made up: read into a new --data from a block before them (--from N), as docs/inbox.md says.',
  },
} as const satisfies Record<string, CatalogueEntry>;
