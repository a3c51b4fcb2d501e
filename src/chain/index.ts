export { abortable } from './abort.ts';
export { accountFromSuri } from './account.ts';
export type * from './block-number.ts';
export type * from './chain.ts';
export type * from './head/head.ts';
export type * from './messages/messages.ts';
export type * from './quorum/trust.ts';
export type * from './storage/worker.ts';
export type * from './submit/submission.ts';
export type * from './trie/workers-by-proofs.ts';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { distinctEndpoints, quorumOf } from './endpoint-list.ts';
export { connectChain } from './connect-chain.ts';
export type { ConnectOptions } from './connect-chain.ts';
export type { ChainLogger } from './logger.ts';
export type { NodeFault } from './rpc/node-faults.ts';
export type * from './probe/capabilities.ts';
export { oldestWhere } from './probe/oldest-where.ts';
export type { BlockBody } from './storage/body-reader.ts';
export type { MessageCalls } from './submit/message-calls.ts';
export { postedTogether, signedMessagesIn } from './submit/signed-messages.ts';
export type { SignedWorkerMessage } from './submit/signed-messages.ts';
export { decodeMark, encodeMark } from './trie/mark-codec.ts';
export { nothingRead } from './trie/proven-workers.ts';
export { rowAt } from './storage/rows-writer.ts';
export {
  endpointsOf,
  hasEndpoints,
  idBytesOf,
  idOf,
  isPlain,
  isPlainAt,
  endpointsAt,
  packRow,
  workerFields,
} from './storage/worker-row.ts';
export type { Endpoints } from './storage/worker-row.ts';
