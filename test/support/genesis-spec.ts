import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ApiPromise, WsProvider } from '@polkadot/api';
import type { Option } from '@polkadot/types';
import type { Codec } from '@polkadot/types/types';
import type { ProviderInterface } from '@polkadot/rpc-provider/types';
import { xxhashAsU8a } from '@polkadot/util-crypto';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';

const devSpec = fileURLToPath(new URL('../../runtime/artifacts/khala-dev.spec.json', import.meta.url));
const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');
const endpointsPrefix = storagePrefix('PhalaRegistry', 'Endpoints');

export interface GenesisWorker {
  readonly identity: Hex;
  readonly ecdh: Hex;
  readonly endpoints: readonly string[];
}

/** Twox64Concat of an id, as hex digits. */
export function twoxKey(identity: Hex): string {
  const hash = xxhashAsU8a(Buffer.from(identity.slice(2), 'hex'), 64);
  return Buffer.from(hash).toString('hex') + identity.slice(2);
}

/** A value of `Endpoints`, or of `VersionedWorkerEndpoints::V1`. */
export function endpointList(endpoints: readonly string[]): Hex {
  const writer = new Writer().u8(0).compactLength(endpoints.length);
  for (const endpoint of endpoints) writer.bytes(new TextEncoder().encode(endpoint));
  return toHex(writer.finish());
}

export function endpointsKey(identity: Hex): Hex {
  return `${endpointsPrefix}${twoxKey(identity)}`;
}

/** Writes the dev runtime's spec with registered workers in its genesis, for a real node. */
export async function writeSpecWithWorkers(path: string, workers: Iterable<GenesisWorker>): Promise<void> {
  const spec = JSON.parse(await readFile(devSpec, 'utf8')) as { genesis: { raw: { top: Record<string, Hex> } } };
  const { top } = spec.genesis.raw;
  const { template, of } = await (workerInfo ??= readWorkerInfo());
  for (const { identity, ecdh, endpoints } of workers) {
    const value = template.replace(of.identity.slice(2), identity.slice(2)).replace(of.ecdh.slice(2), ecdh.slice(2));
    top[`${workersPrefix}${twoxKey(identity)}`] = value as Hex;
    top[endpointsKey(identity)] = endpointList(endpoints);
  }
  await writeFile(path, JSON.stringify(spec));
}

/** A WorkerInfo as the dev chain encodes it by its metadata: others differ in their keys. */
interface WorkerInfo {
  readonly template: string;
  readonly of: { readonly identity: Hex; readonly ecdh: Hex };
}

let workerInfo: Promise<WorkerInfo> | undefined;

async function readWorkerInfo(): Promise<WorkerInfo> {
  await using dev = await startDevChain({ workers: 1 });
  const of = dev.workers.publicAt(0);
  if (of === undefined) throw new Error('the dev chain has a worker');
  const api = await ApiPromise.create({
    provider: new WsProvider(dev.ws) as unknown as ProviderInterface,
    noInitWarn: true,
  });
  const value = await api.rpc.state.getStorage<Option<Codec>>(`${workersPrefix}${twoxKey(of.identity)}`);
  await api.disconnect();
  return { template: value.unwrap().toHex(), of };
}
