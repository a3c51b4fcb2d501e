/** Makes the keys of a part of the workers in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { workerKeys } from './worker-keys.ts';

const { from, to } = workerData as { readonly from: number; readonly to: number };

parentPort?.postMessage(await workerKeys(from, to));
