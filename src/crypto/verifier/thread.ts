/** Runs in a thread of its own: verifies batch after batch. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatchSr25519 } from '../sr25519.ts';
import type { FromThread, ToThread } from './protocol.ts';
import { verifyPacked } from './verify-packed.ts';

const sr25519 = new BatchSr25519(workerData as WebAssembly.Module);

parentPort?.on('message', (message: ToThread) => {
  const verdicts = Uint8Array.from(verifyPacked(sr25519, message));
  const answer: FromThread = { batch: message.batch, verdicts };
  parentPort?.postMessage(answer, [verdicts.buffer]);
});
