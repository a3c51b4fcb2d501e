import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Access, RelayDirectory } from './relay-options.ts';

/** Throws sender-refused. */
export type Gate = (sender: Hex) => void;

export function createGate({ allow, deny, registeredOnly = false }: Access, workerState?: RelayDirectory): Gate {
  const allowed = allow === undefined ? undefined : new Set(allow);
  const denied = new Set(deny ?? []);
  return (identity) => {
    const refuse = (reason: string): RelayError => new RelayError('sender-refused', { details: { identity, reason } });
    if (denied.has(identity)) throw refuse('it is on the deny list');
    if (allowed !== undefined && !allowed.has(identity)) throw refuse('it is not on the allow list');
    if (registeredOnly && workerState?.get(identity) === undefined) throw refuse('it is not a registered worker');
  };
}
