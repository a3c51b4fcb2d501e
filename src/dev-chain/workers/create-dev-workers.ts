import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { asRelayError } from '../../errors/index.ts';
import { spawnThread } from '../../node/index.ts';
import { checkInteger, maxWorkers } from '../options.ts';
import { DevWorkers, publicWorker, withSeeds, type DevWorker } from './dev-workers.ts';

/** Fewer than this are made sooner than a thread starts. */
const workersWorthAThread = 4_000;
const maxThreads = 8;

/** Worker `index` of every dev chain that has that many. Throws dev-option-invalid. */
export async function devWorker(index: number): Promise<DevWorker> {
  checkInteger('index of the worker', index, 0, maxWorkers - 1);
  return withSeeds(publicWorker(await inThisThread(index, index + 1), index));
}

export async function createDevWorkers(count: number): Promise<DevWorkers> {
  const threads = Math.min(availableParallelism(), maxThreads, Math.floor(count / workersWorthAThread));
  if (count === 0) return new DevWorkers(new Uint8Array());
  if (threads < 2) return new DevWorkers(await inThisThread(0, count));
  const bounds = Array.from({ length: threads + 1 }, (_, part) => Math.round((part * count) / threads));
  const parts = bounds.slice(1).map((to, part) => inThread(bounds[part] ?? 0, to));
  return new DevWorkers(Buffer.concat(await Promise.all(parts)));
}

async function inThisThread(from: number, to: number): Promise<Uint8Array> {
  const { workerKeys } = await import('./worker-keys.ts');
  return workerKeys(from, to);
}

async function inThread(from: number, to: number): Promise<Uint8Array> {
  const module = new URL('./keys-thread', import.meta.url);
  const thread = spawnThread('khala-relay-dev-keys', module, { workerData: { from, to }, isSilent: true });
  try {
    const [keys] = (await once(thread, 'message')) as [Uint8Array];
    return keys;
  } catch (error) {
    throw asRelayError(error, 'dev-engine-missing');
  } finally {
    await thread.terminate();
  }
}
