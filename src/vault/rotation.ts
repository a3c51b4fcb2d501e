import type { KeyPair } from '../crypto/core.ts';
import { checkValue, RelayError } from '../errors/index.ts';
import type { EpochSecret, EpochState, VaultContents } from './contents.ts';
import type { EcdhPublic, RotateRequest } from './vault.ts';

const greatestEpoch = 0xffff_ffff;

/**
 * Adds a pending epoch, at least `atLeast` and above all there were; leaves a pending one that already satisfies it, and all
 * as it is where `replacing` was replaced. Throws bad-value.
 */
export function withPendingEpoch(
  contents: VaultContents,
  { atLeast = 0, replacing }: RotateRequest,
  newKey: () => KeyPair,
  now: number,
): VaultContents {
  if (wasReplaced(contents.epochs, replacing)) return contents;
  const pending = contents.epochs.find(({ state }) => state === 'pending');
  if (pending !== undefined && pending.epoch >= atLeast) return contents;
  const known = [...contents.epochs, ...contents.erased].map(({ epoch }) => epoch);
  const epoch = Math.max(atLeast, ...known.map((used) => used + 1));
  if (!(Number.isInteger(epoch) && epoch <= greatestEpoch))
    throw new RelayError('bad-value', { details: { what: 'The epoch', reason: `${epoch} is no u32` } });
  const others = contents.epochs.filter((candidate) => candidate !== pending);
  const replaced = pending === undefined ? [] : [retired(pending, now)];
  return withEpochs(contents, [
    ...others,
    ...replaced,
    { epoch, keyPair: newKey(), createdAt: now, state: 'pending', seals: 0 },
  ]);
}

/** What a rotation gives: the pending key, or the current one where `replacing` was replaced. Throws unknown-epoch. */
export function keyOfRotation(keys: readonly EcdhPublic[], { replacing }: RotateRequest): EcdhPublic {
  const wanted: EpochState = wasReplaced(keys, replacing) ? 'current' : 'pending';
  const key = keys.find(({ state }) => state === wanted);
  if (key === undefined) throw new RelayError('unknown-epoch', { details: { epoch: `any ${wanted} epoch` } });
  return key;
}

/**
 * Makes a pending epoch the current one and retires the others. One that was activated before is left as it is: a run
 * that resumes late must not bring back a key that was rotated away. Throws unknown-epoch.
 */
export function withCurrentEpoch(contents: VaultContents, epoch: number, now: number): VaultContents {
  const activated = contents.epochs.find((candidate) => candidate.epoch === epoch);
  if (activated === undefined) throw new RelayError('unknown-epoch', { details: { epoch: `epoch ${epoch}` } });
  if (activated.state !== 'pending') return contents;
  return withEpochs(
    contents,
    contents.epochs.map((candidate) => {
      if (candidate.epoch === epoch) return { ...candidate, state: 'current' };
      const isReplaced = candidate.state === 'current' || (candidate.epoch < epoch && candidate.state === 'pending');
      return isReplaced ? retired(candidate, now) : candidate;
    }),
  );
}

/** Without the secrets of what was retired at or before a time (Unix ms; Infinity: at any). Throws bad-value. */
export function withoutEpochs(contents: VaultContents, retiredBefore: number): VaultContents {
  checkValue('retiredBefore', !Number.isNaN(retiredBefore), 'a time in Unix ms');
  const isDue = ({ retiredAt }: EpochSecret): boolean => retiredAt !== undefined && retiredAt <= retiredBefore;
  const due = contents.epochs.filter(isDue);
  if (due.length === 0) return contents;
  const erased = due.map(({ epoch, keyPair }) => ({ epoch, publicKey: keyPair.publicKey }));
  return {
    ...contents,
    epochs: contents.epochs.filter((epoch) => !isDue(epoch)),
    erased: [...contents.erased, ...erased].sort((a, b) => a.epoch - b.epoch),
  };
}

function wasReplaced(epochs: readonly Pick<EcdhPublic, 'epoch' | 'state'>[], epoch: number | undefined): boolean {
  return epoch !== undefined && epochs.find(({ state }) => state === 'current')?.epoch !== epoch;
}

function retired(epoch: EpochSecret, now: number): EpochSecret {
  return { ...epoch, state: 'retired', retiredAt: now };
}

function withEpochs(contents: VaultContents, epochs: readonly EpochSecret[]): VaultContents {
  return { ...contents, epochs: epochs.toSorted((a, b) => a.epoch - b.epoch) };
}
