import { packRow, type Head, type WorkerFields, type WorkerRow } from '../../src/chain/index.ts';
import { fromHex, Writer, type Hex } from '../../src/codec/index.ts';
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

/** A block of a chain whose hashes are its numbers. */
export function headOf(number: number): Head {
  const hash = (of: number): Hex => `0x${of.toString(16).padStart(64, '0')}`;
  return { number, hash: hash(number), parentHash: hash(number - 1), stateRoot: hash(0) };
}
