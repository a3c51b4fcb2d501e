import { RelayError } from '../errors/index.ts';
import type { VaultContents } from './contents.ts';

/**
 * Messages that one EcdhKey may seal, under all its keys together: no single one of them then passes the limit of GCM
 * with random IVs (protocol.md §5; NIST SP 800-38D §8.3).
 */
export const sealLimit = 2 ** 32;
const firstBlock = 2 ** 8;
const greatestBlock = 2 ** 20;

/** Sets seals of the current epoch aside, before they are used. Throws channel-exhausted. */
export function withSealsSetAside(contents: VaultContents, wanted: number): { contents: VaultContents; seals: number } {
  const current = contents.epochs.find(({ state }) => state === 'current');
  const left = sealLimit - (current?.seals ?? 0);
  if (left <= 0) throw new RelayError('channel-exhausted');
  const seals = Math.min(wanted, left);
  const epochs = contents.epochs.map((epoch) => (epoch === current ? { ...epoch, seals: epoch.seals + seals } : epoch));
  return { contents: { ...contents, epochs }, seals };
}

/** How many seals to set aside next: few at first, for who sends one message; more for who sends many. */
export function nextBlock(last: number | undefined): number {
  return last === undefined ? firstBlock : Math.min(2 * last, greatestBlock);
}
