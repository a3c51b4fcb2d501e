import { isEcdhRecord, toHex, type Hex } from '../../codec/index.ts';
import type { WorkerFields, WorkerRow } from './worker.ts';
import { isPlainList, readEndpoints, type EndpointTexts } from './endpoints.ts';

// identity (32 bytes), EcdhKey of the registration (32), runtime version (u32), confidence level (u8), flags (u8),
// endpoints. The first three are as `WorkerInfo` begins.
const idLength = 32;
export const keyAt = 32;
export const versionAt = 64;
const confidenceAt = 68;
const flagsAt = 69;
/** How long a row without endpoints is. */
export const endpointsAt = 70;

const gatekeeperFlag = 1;
const plainFlag = 2;

export interface Endpoints extends Pick<EndpointTexts, 'faults'> {
  readonly urls: readonly string[];
  /** ECDH records as they are on chain: the last 8, valid or not. */
  readonly records: readonly string[];
}

const none: readonly string[] = [];

export function packRow(worker: WorkerFields): WorkerRow {
  const { identity, ecdhKey, runtimeVersion, confidenceLevel, endpoints, gatekeeper } = worker;
  const row = new Uint8Array(endpointsAt + endpoints.length);
  row.set(identity);
  row.set(ecdhKey, keyAt);
  new DataView(row.buffer).setUint32(versionAt, runtimeVersion, true);
  row.set(endpoints, endpointsAt);
  finishRow(row, 0, row.length, confidenceLevel, gatekeeper);
  return row;
}

/** Writes what lies between the beginning of `WorkerInfo` and the endpoints, once these are there. */
export function finishRow(
  target: Uint8Array,
  start: number,
  end: number,
  confidenceLevel: number,
  gatekeeper: boolean,
): void {
  const isPlainRow = isPlainList(target, start + endpointsAt, end);
  target[start + confidenceAt] = confidenceLevel;
  target[start + flagsAt] = (gatekeeper ? gatekeeperFlag : 0) | (isPlainRow ? plainFlag : 0);
}

/** Little-endian. */
export function u32At(bytes: Uint8Array, at: number): number {
  const byte = (i: number): number => bytes[at + i] ?? 0;
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0;
}

export function idBytesOf(row: WorkerRow): Uint8Array {
  return row.subarray(0, idLength);
}

export function idOf(row: WorkerRow): Hex {
  return toHex(idBytesOf(row));
}

/** Everything, as views of the row. */
export function workerFields(row: WorkerRow): WorkerFields {
  return {
    identity: idBytesOf(row),
    ecdhKey: row.subarray(keyAt, versionAt),
    runtimeVersion: u32At(row, versionAt),
    confidenceLevel: row[confidenceAt] ?? 0,
    endpoints: row.subarray(endpointsAt),
    gatekeeper: ((row[flagsAt] ?? 0) & gatekeeperFlag) !== 0,
  };
}

/** Whether its list of endpoints has nothing but URLs and no fault: neither records nor anything to tell of. */
export function isPlain(row: WorkerRow): boolean {
  return isPlainAt(row, 0);
}

/** As {@link isPlain}, of the row that begins at a place. */
export function isPlainAt(bytes: Uint8Array, at: number): boolean {
  return ((bytes[at + flagsAt] ?? 0) & plainFlag) !== 0;
}

export function hasEndpoints(row: WorkerRow): boolean {
  return row.length > endpointsAt;
}

export function endpointsOf(row: WorkerRow): Endpoints {
  const { texts, faults } = readEndpoints(row.subarray(endpointsAt));
  if (isPlain(row) || texts.length === 0) return { urls: texts, records: none, faults };
  return { urls: texts.filter((each) => !isEcdhRecord(each)), records: texts.filter(isEcdhRecord), faults };
}
