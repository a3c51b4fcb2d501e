import type { WorkerRecord } from '../chain/index.ts';
import { equalBytes, isEcdhRecord, type Hex } from '../codec/index.ts';

/** What storage says of a worker, as little of it as the cache needs; records not yet verified. */
export interface WorkerFacts {
  readonly identity: Hex;
  /** EcdhKey of the registration, 32 bytes. */
  readonly registered: Uint8Array;
  readonly urls: readonly string[];
  /** ECDH records as they are on chain: the last 8, valid or not. */
  readonly records: readonly string[];
  readonly gatekeeper: boolean;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
}

/** Records of one worker that count, from the end of its list (protocol.md §7). */
const maxRecords = 8;
// Shared: most workers have no endpoints, and 50 000 empty lists are not free.
const none: readonly string[] = [];

export function factsOf({ info, endpoints, gatekeeper }: WorkerRecord): WorkerFacts {
  return { ...infoFacts(info), ...endpointFacts(endpoints), gatekeeper };
}

/** What the entry in `Workers` says. */
export function infoFacts(
  info: WorkerRecord['info'],
): Pick<WorkerFacts, 'identity' | 'registered' | 'runtimeVersion' | 'confidenceLevel'> {
  return {
    identity: info.identity,
    registered: info.ecdhKey,
    runtimeVersion: info.runtimeVersion,
    confidenceLevel: info.confidenceLevel,
  };
}

/** What the entry in `Endpoints` says. */
export function endpointFacts(endpoints: readonly string[]): Pick<WorkerFacts, 'urls' | 'records'> {
  if (endpoints.length === 0) return { urls: none, records: none };
  const records = endpoints.filter(isEcdhRecord).slice(-maxRecords);
  return {
    urls: endpoints.filter((endpoint) => !isEcdhRecord(endpoint)),
    records: records.length === 0 ? none : records,
  };
}

export function sameFacts(a: WorkerFacts, b: WorkerFacts): boolean {
  return (
    a.gatekeeper === b.gatekeeper &&
    a.runtimeVersion === b.runtimeVersion &&
    a.confidenceLevel === b.confidenceLevel &&
    equalBytes(a.registered, b.registered) &&
    sameTexts(a.urls, b.urls) &&
    sameTexts(a.records, b.records)
  );
}

export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
