import type { WorkerFields } from '../../src/chain/index.ts';
import { fromHex, Writer } from '../../src/codec/index.ts';
import { packRow, type WorkerRow } from '../../src/chain/index.ts';
import type { TestWorker } from '../chain/support.ts';

/** `VersionedWorkerEndpoints::V1`. */
export function encodeEndpoints(endpoints: readonly string[]): Uint8Array {
  const writer = new Writer().u8(0).compactLength(endpoints.length);
  for (const endpoint of endpoints) writer.bytes(new TextEncoder().encode(endpoint));
  return writer.finish();
}

/** The row of a worker as registered, with these endpoints and records. */
export function rowOf(
  { identity, ecdhKey }: TestWorker,
  { endpoints = [], ...changes }: Partial<Omit<WorkerFields, 'endpoints'>> & { endpoints?: readonly string[] } = {},
): WorkerRow {
  return packRow({
    identity: fromHex(identity),
    ecdhKey,
    runtimeVersion: 1,
    confidenceLevel: 128,
    gatekeeper: false,
    ...changes,
    endpoints: endpoints.length === 0 ? new Uint8Array(0) : encodeEndpoints(endpoints),
  });
}
