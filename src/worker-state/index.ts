export type { ReconcileOptions } from './change-source.ts';
export type { SignedRecord, VerifyRecords } from './prove-records.ts';
export { readWorker, rememberKey } from './read-worker.ts';
export type { ReadWorkerOptions } from './read-worker.ts';
export type { WatchOptions } from './watch-options.ts';
export { watchWorkerState } from './watch-worker-state.ts';
export type * from './worker-state.ts';
