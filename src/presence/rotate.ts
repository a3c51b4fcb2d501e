import type { Inclusion } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { EcdhPublic, RotateRequest } from '../vault/index.ts';
import { publishedEpochs } from './own-entry.ts';
import type { PresenceOptions } from './presence-options.ts';
import { publishEpoch } from './publish.ts';

export interface Rotation extends Inclusion {
  readonly epoch: number;
  /** The new EcdhKey, 32 bytes. */
  readonly ecdhKey: Uint8Array;
}

/**
 * A new epoch: made in the vault, published, and preferred once its record is finalized; older epochs still open. After
 * a crash between any two steps a further call goes on with the epoch that is pending. Throws not-registered.
 */
export async function rotateEntity(options: PresenceOptions): Promise<Rotation> {
  return publishAndPrefer(options, await rotateAboveChain(options));
}

/** As {@link rotateEntity}, unless that epoch of the vault is not the current one any more: then undefined, and nothing is done. */
export async function replaceEpoch(options: PresenceOptions, epoch: number): Promise<Rotation | undefined> {
  const key = await rotateAboveChain(options, { replacing: epoch });
  return key.state === 'pending' ? publishAndPrefer(options, key) : undefined;
}

async function rotateAboveChain(
  { chain, vault, signal }: PresenceOptions,
  request: Pick<RotateRequest, 'replacing'> = {},
): Promise<EcdhPublic> {
  const { hash } = await chain.bestHead(signal);
  const record = await chain.at(hash).worker(vault.identity, signal);
  if (record === undefined) throw new RelayError('not-registered', { details: { id: vault.identity } });
  const keys = await vault.ecdhKeys();
  const pending = keys.findLast(({ state }) => state === 'pending');
  const onChain = Math.max(...publishedEpochs(chain.genesisHash, record));
  // A pending epoch that is on chain already was published by a run that did not get to finish.
  const atLeast = pending?.epoch === onChain ? onChain : onChain + 1;
  return vault.rotate({ ...request, atLeast });
}

async function publishAndPrefer(options: PresenceOptions, { epoch, publicKey }: EcdhPublic): Promise<Rotation> {
  const inclusion = await publishEpoch({ ...options, finality: 'finalized' }, epoch);
  await options.vault.activate(epoch);
  return { ...inclusion, epoch, ecdhKey: publicKey };
}
