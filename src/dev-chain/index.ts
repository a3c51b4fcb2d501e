export type { BlockRef } from './block/block.ts';
export { startDevChain } from './dev-chain.ts';
export type { DevChain } from './dev-chain.ts';
export type { NewBlockOptions, ReorgOptions } from './node.ts';
export type { DevChainLogger, DevChainOptions } from './options.ts';
export { devWorker } from './workers/create-dev-workers.ts';
export type { DevWorker, DevWorkers } from './workers/dev-workers.ts';
