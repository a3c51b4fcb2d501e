import type { Hex } from '../codec/index.ts';
import { endpointsOf, idOf, workerFields, type Endpoints, type WorkerRow } from '../chain/index.ts';

/** What WorkerState says of one worker, decoded but not verified. */
export interface WorkerFacts extends Endpoints {
  readonly identity: Hex;
  /** EcdhKey of the registration, 32 bytes. */
  readonly registered: Uint8Array;
  readonly gatekeeper: boolean;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
}

export function factsOf(row: WorkerRow): WorkerFacts {
  const { ecdhKey, runtimeVersion, confidenceLevel, gatekeeper } = workerFields(row);
  const registered = ecdhKey.slice();
  return { identity: idOf(row), registered, runtimeVersion, confidenceLevel, gatekeeper, ...endpointsOf(row) };
}

export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
