import { decodeEndpoints, isPlainList, type RawWorker } from '../../chain/index.ts';
import { isEcdhRecord, toHex, type Hex } from '../../codec/index.ts';

/**
 * What WorkerState says of one worker, packed: identity (32 bytes), EcdhKey of the registration (32), runtime version
 * (u32), confidence level (u8), flags (u8), endpoints as on chain. 50 000 objects would take five times the memory.
 */
export type WorkerRow = Uint8Array;

const idLength = 32;
const keyAt = 32;
const versionAt = 64;
const confidenceAt = 68;
const flagsAt = 69;
const endpointsAt = 70;
/** Of a row without endpoints. */
export const minRowLength = endpointsAt;

const gatekeeperFlag = 1;
const plainFlag = 2;

export interface Endpoints {
  readonly urls: readonly string[];
  /** ECDH records as they are on chain: the last 8, valid or not. */
  readonly records: readonly string[];
}

const none: readonly string[] = [];

export function rowLength({ endpoints }: RawWorker): number {
  return endpointsAt + endpoints.length;
}

export function writeRow(target: Uint8Array, at: number, worker: RawWorker): void {
  const { identity, ecdhKey, runtimeVersion, confidenceLevel, endpoints, gatekeeper } = worker;
  target.set(identity, at);
  target.set(ecdhKey, at + keyAt);
  for (let byte = 0; byte < 4; byte++) target[at + versionAt + byte] = runtimeVersion >>> (8 * byte);
  target[at + confidenceAt] = confidenceLevel;
  target[at + flagsAt] = (gatekeeper ? gatekeeperFlag : 0) | (isPlainList(endpoints) ? plainFlag : 0);
  target.set(endpoints, at + endpointsAt);
}

export function packRow(worker: RawWorker): WorkerRow {
  const row = new Uint8Array(rowLength(worker));
  writeRow(row, 0, worker);
  return row;
}

export function idBytesOf(row: WorkerRow): Uint8Array {
  return row.subarray(0, idLength);
}

export function idOf(row: WorkerRow): Hex {
  return toHex(idBytesOf(row));
}

/** Everything, as views of the row. */
export function rawWorker(row: WorkerRow): RawWorker {
  return {
    identity: idBytesOf(row),
    ecdhKey: row.subarray(keyAt, versionAt),
    runtimeVersion: new DataView(row.buffer, row.byteOffset).getUint32(versionAt, true),
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
  const all = decodeEndpoints(row.subarray(endpointsAt));
  if (all.length === 0) return { urls: none, records: none };
  if (isPlain(row)) return { urls: all, records: none };
  return {
    urls: all.filter((each) => !isEcdhRecord(each)),
    records: all.filter(isEcdhRecord),
  };
}
