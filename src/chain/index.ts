export { accountFromSuri } from './account.ts';
export type * from './chain.ts';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { connectChain } from './connect-chain.ts';
export type { ConnectOptions } from './connect-chain.ts';
export type { ChainLogger } from './logger.ts';
export { nothingRead } from './trie/proven-workers.ts';
