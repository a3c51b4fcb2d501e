import type { Chain } from '../chain/index.ts';

/** What an inbox asks of a chain. */
export type InboxChain = Pick<
  Chain,
  'genesisHash' | 'trust' | 'finalizedHead' | 'agreedHead' | 'bestHead' | 'headAt' | 'headEvents' | 'messages'
>;
