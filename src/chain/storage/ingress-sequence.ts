import { concatBytes, fromHex, Reader, type Hex } from '../../codec/index.ts';
import type { BlockStorage } from './block-storage.ts';
import { layoutOf } from './layout.ts';

/** Variant of MessageOrigin for a worker. */
const workerOrigin = Uint8Array.of(2);

/** Next expected sequence of a worker's posts at a block, of what `read` gives for its key there. */
export async function ingressSequence(
  storage: BlockStorage,
  worker: Hex,
  read: (key: Hex) => Promise<readonly (Uint8Array | undefined)[]>,
  signal?: AbortSignal,
): Promise<bigint> {
  const { ingressKey } = layoutOf(await storage.runtime(signal));
  const [value] = await read(ingressKey(concatBytes(workerOrigin, fromHex(worker, 'The id'))));
  if (value === undefined) return 0n;
  return storage.decode('PhalaMq.OffchainIngress', () => new Reader(value, 'It').u64());
}
