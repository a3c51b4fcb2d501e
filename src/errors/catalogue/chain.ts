import type { CatalogueEntry } from './entry.ts';

export const chainErrors = {
  'chain-unreachable': {
    message: 'No node answers at {urls}: {reason}.',
    remedy: 'Check the URL, that the node runs and that its RPC port is open, or give another endpoint with --ws.',
  },
  'chain-stopped': {
    message: 'The connection to the chain was stopped.',
    remedy: 'Connect again with connectChain.',
  },
  'bad-endpoint': {
    message: '"{url}" is not the URL of a node.',
    remedy: 'Give a URL that begins with ws:// or wss://.',
    usage: true,
  },
  'chain-forked': {
    message: 'Block {block} is not what was seen before: {found} follows another block than {seen}.',
    remedy:
      'A finalized block was replaced, or the reorg is deeper than what is remembered; start from a block of the new chain, and check whether the endpoints agree.',
  },
  'node-behind': {
    message:
      'Nothing can be signed behind block {block} yet, only behind {anchor}: the node in use is behind, or finality lags.',
    remedy: 'Wait until it is further, or give another endpoint with --ws.',
  },
  'state-discarded': {
    message: 'No endpoint has block {block} with its state ({reason}).',
    remedy:
      'Give an archive node with --ws (one started with --state-pruning archive), or start from a newer block; where no node knows it, it left the chain or was made up: start from one that the chain has.',
  },
  'bad-storage': {
    message: '{what} of block {block} can not be read: {reason}.',
    remedy: 'The runtime may have a layout that this version does not know; update khala-relay, or report it.',
  },
  'bad-proof': {
    message: 'The proof does not hold: {reason}.',
    remedy: 'The node is broken or lies; use another one.',
  },
  'node-lies': {
    message: 'The node at {url} lies about block {block}: {reason}.',
    remedy: 'It was left and is not asked again. Use nodes that you or people you trust run.',
  },
  'no-quorum': {
    message: 'Fewer than {size} endpoints agree on {about}: {said}.',
    remedy:
      'See to it that the endpoints answer and are in sync, or give more of them with --ws; --quorum 1 (quorum: 1) believes the one that is used.',
  },
  'endpoints-disagree': {
    message: 'The endpoints do not agree on {about}: {said}.',
    remedy: 'One of them lies or is on a fork: leave it out, or give a third endpoint that settles which one.',
  },
  'bad-quorum': {
    message: 'A quorum of {quorum} is not possible with {endpoints} endpoint(s).',
    remedy: 'Give a whole number of at least 1 and at most as many as there are different endpoints.',
    usage: true,
  },
  'proofs-unavailable': {
    message: 'The node at {url} gives no proofs of storage: {reason}.',
    remedy: 'Use a node that offers state_getReadProof, or go without verification.',
  },
  'unsupported-runtime': {
    message: 'The runtime of the chain can not be used: {reason}.',
    remedy: 'Connect to a Khala-compatible chain, or update khala-relay.',
  },
  'rpc-failed': {
    message: 'The node refused {method}: {reason}.',
    remedy: 'Try another endpoint; khala-relay doctor tells what a node lacks.',
  },
  'bad-suri': {
    message: 'The secret URI of the account is not valid.',
    remedy: 'Give a mnemonic, a 0x seed or a path such as //Alice.',
    usage: true,
  },
  'bad-topic': {
    message: 'The chain would accept a message to this topic and drop it: {reason}.',
    remedy: 'Use a topic that is not empty and does not begin with a reserved byte.',
    usage: true,
  },
  'no-calls': {
    message: 'There is nothing to submit.',
    remedy: 'Give at least one call.',
    usage: true,
  },
  'sudo-required': {
    message: 'The call needs root, and {account} is not the sudo key of the chain.',
    remedy: 'Register with register-worker (no root needed), or use the sudo account.',
  },
  'dispatch-failed': {
    message: 'The chain refused the call: {pallet}.{error}.',
    remedy: "Look the error up among the pallet's errors: {docs}",
  },
  'extrinsic-rejected': {
    message: 'The node did not take the extrinsic: {reason}.',
    remedy: 'Mend what the reason names, then submit again.',
  },
  'extrinsic-too-large': {
    message: 'The extrinsic does not fit into a block: {reason}.',
    remedy: 'Send less at once: a smaller file, fewer calls in a batch, or off chain.',
  },
  'extrinsic-expired': {
    message: 'The extrinsic was in no block until {block}, where it ceased to be valid.',
    remedy: 'It can not come in any more; submit again, with a tip where blocks are full.',
  },
  'fate-unknown': {
    message: 'Whether {what} came in can not be known: no endpoint has all of blocks {first} to {last} any more.',
    remedy:
      'Give a node that keeps blocks (--blocks-pruning archive) with --ws, or look at an explorer. Messages with a nonce go again, since recipients take them once; a Phala command only by khala-relay outbox retry.',
  },
  'balance-too-low': {
    message: 'Account {account} can not pay the fee: it has {free} {token}.',
    remedy: 'Transfer tokens to the account, or let another one pay.',
  },
  'nonce-conflict': {
    message:
      'Another program submits from account {account} at the same time: its nonce {nonce} was taken {times} times.',
    remedy: 'Use an account of its own for each program.',
  },
  'pool-full': {
    message: "The node's transaction pool is full.",
    remedy: 'Try again later or at another endpoint.',
  },
} as const satisfies Record<string, CatalogueEntry>;
