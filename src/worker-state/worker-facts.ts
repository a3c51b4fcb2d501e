import { endpointFaults } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { endpointsOf, idOf, isPlain, workerFields, type Endpoints, type WorkerRow } from '../chain/index.ts';

/** What WorkerState says of one worker, decoded but not verified. */
export interface WorkerFacts extends Endpoints {
  readonly identity: Hex;
  /** EcdhKey of the registration, 32 bytes. */
  readonly registered: Uint8Array;
  readonly gatekeeper: boolean;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
  /** What is wrong with its list of endpoints, by a name of the fault. */
  readonly faults: ReadonlyMap<string, string>;
}

const noFaults: ReadonlyMap<string, string> = new Map();

export function factsOf(row: WorkerRow): WorkerFacts {
  const { ecdhKey, runtimeVersion, confidenceLevel, gatekeeper, endpoints } = workerFields(row);
  const registered = ecdhKey.slice();
  const faults = isPlain(row) ? noFaults : endpointFaults(endpoints);
  return { identity: idOf(row), registered, runtimeVersion, confidenceLevel, gatekeeper, faults, ...endpointsOf(row) };
}

export function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
