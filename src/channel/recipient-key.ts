import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/** Where a channel finds the key of its peer: WorkerState is one. */
export interface KeyDirectory {
  get(id: Hex): { readonly current: { readonly ecdhKey: Uint8Array; readonly proven: boolean } } | undefined;
  /** Of a directory that looks up who is asked for: resolves once `get` tells what there is of this one. */
  load?(id: Hex, signal?: AbortSignal): Promise<void>;
}

export interface RecipientKeyOptions {
  /** Refuse a key that no ECDH record proves (protocol.md §7). Default false. */
  readonly requireProven?: boolean;
}

/** The EcdhKey to encrypt to, 32 bytes. Throws unknown-recipient, unproven-key. */
export function recipientKeyOf(
  directory: KeyDirectory,
  id: Hex,
  { requireProven = false }: RecipientKeyOptions = {},
): Uint8Array {
  const entry = directory.get(id);
  if (entry === undefined) throw new RelayError('unknown-recipient', { details: { id } });
  if (requireProven && !entry.current.proven) throw new RelayError('unproven-key', { details: { id } });
  return entry.current.ecdhKey;
}
