import { Reader, Writer } from '../codec/index.ts';
import { isLocalFailure, RelayError } from '../errors/index.ts';
import { lastNumber, rangeOf, storeKey, type TransactionalStore, type Write } from '../store/index.ts';

/** A message that could not be delivered, with the reason. */
export interface DeadLetter {
  readonly envelope: Uint8Array;
  /** Catalogue code of the reason. */
  readonly code: string;
}

/** Write that files a dead letter; the number is its message's place in the order of acceptance. */
export function deadLetterWrite(sequence: bigint, { envelope, code }: DeadLetter): Write {
  const value = new Writer().bytes(new TextEncoder().encode(code)).bytes(envelope).finish();
  return { key: storeKey('inbox/dead/', sequence), value };
}

/** All dead letters, oldest first. */
export async function deadLetters(store: TransactionalStore): Promise<(DeadLetter & { readonly sequence: bigint })[]> {
  const entries = await store.entries(rangeOf('inbox/dead/'));
  return entries.map(([key, value]) => {
    const reader = new Reader(value, 'A dead letter');
    const code = new TextDecoder().decode(reader.bytes());
    return { sequence: lastNumber(key), code, envelope: reader.bytes() };
  });
}

/**
 * Why a message can't be delivered. Throws the error on where it says nothing about the message: a store that fails or
 * a vault that is closed must not bury what would open later.
 */
export function reasonOfDeath(error: unknown): RelayError {
  if (!(error instanceof RelayError) || isLocalFailure(error)) throw error;
  return error;
}
