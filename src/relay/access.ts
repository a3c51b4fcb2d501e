import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Access, RelayDirectory, RelayOptions } from './relay-options.ts';

/**
 * Whether room in mailboxes is kept for a sender: for workers of the chain, who can not be made by the thousand, and for
 * those that are named to the relay. Without a chain nobody is a stranger.
 */
export function createKnown({ access, recipients, workerState }: RelayOptions): (sender: Hex) => boolean {
  if (workerState === undefined) return () => true;
  const named = new Set([...(access?.allow ?? []), ...(recipients ?? [])]);
  return (sender) => workerState.get(sender) !== undefined || named.has(sender);
}

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
