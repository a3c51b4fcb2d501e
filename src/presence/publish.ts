import type { Call, Inclusion } from '../chain/index.ts';
import { isEcdhRecord } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { publishedUrls, signedRecord } from './own-entry.ts';
import type { PresenceOptions } from './presence-options.ts';

/** Publishes endpoint URLs and the ECDH record of the current epoch, instead of what stood there (protocol.md §7). */
export async function publishEndpoints(options: PresenceOptions, urls: readonly string[]): Promise<Inclusion> {
  const epoch = await currentEpoch(options);
  return submit(options, [await endpointCall(options, urls, epoch)]);
}

/** Publishes the record of an epoch and leaves the URLs as they are. Throws not-registered. */
export async function publishEpoch(options: PresenceOptions, epoch: number): Promise<Inclusion> {
  const { chain, vault, signal } = options;
  const { hash } = await chain.bestHead(signal);
  const record = await chain.at(hash).worker(vault.identity, signal);
  if (record === undefined) throw new RelayError('not-registered', { details: { id: vault.identity } });
  return submit(options, [await endpointCall(options, publishedUrls(record), epoch)]);
}

/** The call that replaces the endpoint list. Throws bad-value for a URL that would read as a record. */
export async function endpointCall(options: PresenceOptions, urls: readonly string[], epoch: number): Promise<Call> {
  const { chain, vault, signal } = options;
  if (urls.some(isEcdhRecord))
    throw new RelayError('bad-value', { details: { what: 'An endpoint', reason: 'it begins with ecdh:' } });
  const endpoints = [...urls, await signedRecord(vault, chain, epoch)];
  // The runtime wants a time before the block's own and at most 4 h older: that of the newest block.
  const { hash } = await chain.bestHead(signal);
  const signingTime = await chain.at(hash).timestamp(signal);
  const signature = await vault.sign({ type: 'worker-endpoint', endpoints, signingTime });
  return { kind: 'update-worker-endpoint', identity: vault.identity, endpoints, signingTime, signature };
}

export async function currentEpoch({ vault }: Pick<PresenceOptions, 'vault'>): Promise<number> {
  const current = (await vault.ecdhKeys()).find(({ state }) => state === 'current');
  if (current === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any current epoch' } });
  return current.epoch;
}

export function submit(
  { chain, account, finality = 'best', signal }: PresenceOptions,
  calls: readonly Call[],
): Promise<Inclusion> {
  const waitFor = finality === 'best' ? 'inBlock' : 'finalized';
  return chain.submit(calls, account, signal === undefined ? { waitFor } : { waitFor, signal });
}
