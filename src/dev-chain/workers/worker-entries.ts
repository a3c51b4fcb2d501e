import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import type { Runtime } from '../executor/runtime.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import { compact } from '../state/trie-encoding.ts';
import type { DevWorkers, PublicDevWorker } from './dev-workers.ts';

const pallet = 'PhalaRegistry';

/**
 * The storage of registered workers: Workers, Endpoints and WorkerAddedAt of each. The layout of a WorkerInfo is the
 * runtime's own: one is encoded by the metadata, and the rest are copies of it with other keys. Throws
 * dev-workers-unsupported.
 */
export function* workerEntries(
  workers: DevWorkers,
  runtime: Runtime,
  hashing: Hashing,
): Generator<readonly [Hex, Hex]> {
  const info = workerInfoTemplate(runtime);
  const prefix = (item: string): Hex => bytesToHex(Buffer.concat([hashing.twox128(pallet), hashing.twox128(item)]));
  const [infos, endpoints, addedAt] = [prefix('Workers'), prefix('Endpoints'), prefix('WorkerAddedAt')];
  for (let index = 0; index < workers.length; index += 1) {
    const worker = workers.publicAt(index);
    if (worker === undefined) return;
    const key = bytesToHex(hashing.twox64Concat(hexToBytes(worker.identity))).slice(2);
    yield [`${infos}${key}`, info(worker)];
    yield [`${endpoints}${key}`, encodeEndpoints(worker.endpoints)];
    yield [`${addedAt}${key}`, '0x00000000'];
  }
}

function workerInfoTemplate(runtime: Runtime): (worker: PublicDevWorker) => Hex {
  const pubkey = '11'.repeat(32);
  const ecdhPubkey = '22'.repeat(32);
  const template = encode(runtime, 'workers', {
    pubkey: `0x${pubkey}`,
    ecdhPubkey: `0x${ecdhPubkey}`,
    runtimeVersion: 1,
    lastUpdated: 0,
    operator: null,
    // As force_register_worker does.
    attestationProvider: 'Root',
    confidenceLevel: 128,
    initialScore: null,
    features: [1, 4],
  });
  const probe = ['http://127.0.0.1:1/'];
  const supported = encode(runtime, 'endpoints', { V1: probe }) === encodeEndpoints(probe);
  if (!supported || !template.includes(pubkey) || !template.includes(ecdhPubkey)) {
    throw unsupported(`its ${pallet} has another layout`);
  }
  // Cut once: replacing in a text that has the first key in it already may find the second's mark across its end.
  const [before = '', rest = ''] = template.split(pubkey);
  const [between = '', after = ''] = rest.split(ecdhPubkey);
  return ({ identity, ecdh }) => `${before}${identity.slice(2)}${between}${ecdh.slice(2)}${after}` as Hex;
}

/** A value of a map of the pallet, as the metadata lay it out. */
function encode(runtime: Runtime, item: string, value: unknown): Hex {
  const entry = runtime.layout.query['phalaRegistry']?.[item];
  if (entry?.meta.type.isMap !== true) throw unsupported(`its runtime has no ${pallet}.${item}`);
  try {
    return runtime.registry.createType(runtime.registry.createLookupType(entry.meta.type.asMap.value), value).toHex();
  } catch (error) {
    throw unsupported(error instanceof Error ? error.message : String(error));
  }
}

/** `VersionedWorkerEndpoints::V1`. */
function encodeEndpoints(endpoints: readonly string[]): Hex {
  const texts = endpoints.map((endpoint) => Buffer.from(endpoint));
  const parts = texts.flatMap((text) => [compact(text.length), text]);
  return bytesToHex(Buffer.concat([Uint8Array.of(0), compact(texts.length), ...parts]));
}

function unsupported(reason: string): RelayError {
  return new RelayError('dev-workers-unsupported', { details: { reason } });
}
