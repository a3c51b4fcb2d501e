import type { Call, Inclusion } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import { whyNotFollowed } from '../relay/endpoint-policy.ts';
import { publishedUrls, signedRecord } from './own-entry.ts';
import type { PresenceOptions } from './presence-options.ts';

const stoodStillMs = 3n * 3_600_000n;
const shownLength = 200;

/**
 * Publishes endpoint URLs and the ECDH record of the current epoch, instead of what stood there (protocol.md §7). Throws what
 * {@link checkEndpoints} throws, and what Chain.submit throws.
 */
export async function publishEndpoints(options: PresenceOptions, urls: readonly string[]): Promise<Inclusion> {
  checkEndpoints(urls);
  return publishAgain(options, urls);
}

/** As {@link publishEndpoints}, of what stood on chain before, whoever wrote it there. */
export async function publishAgain(options: PresenceOptions, urls: readonly string[]): Promise<Inclusion> {
  const epoch = await currentEpoch(options);
  return submit(options, [await endpointCall(options, urls, epoch)]);
}

/** Throws bad-value for what no client of a relay follows, were private addresses allowed. */
export function checkEndpoints(urls: readonly string[]): void {
  for (const url of urls) {
    const reason = whyNotFollowed(url, { allowPrivate: true });
    if (reason !== undefined)
      throw new RelayError('bad-value', { details: { what: `The endpoint "${url.slice(0, shownLength)}"`, reason } });
  }
}

/** Publishes the record of an epoch and leaves the URLs as they are. Throws not-registered. */
export async function publishEpoch(options: PresenceOptions, epoch: number): Promise<Inclusion> {
  const { chain, vault, signal } = options;
  const { hash } = await chain.bestHead(signal);
  const record = await chain.at(hash).worker(vault.identity, signal);
  if (record === undefined) throw new RelayError('not-registered', { details: { id: vault.identity } });
  return submit(options, [await endpointCall(options, publishedUrls(record), epoch)]);
}

/** The call that replaces the endpoint list. */
export async function endpointCall(options: PresenceOptions, urls: readonly string[], epoch: number): Promise<Call> {
  const { chain, vault } = options;
  const endpoints = [...urls, await signedRecord(vault, chain, epoch)];
  const signingTime = await signingTimeFor(options);
  const signature = await vault.sign({ type: 'worker-endpoint', endpoints, signingTime });
  return { kind: 'update-worker-endpoint', identity: vault.identity, endpoints, signingTime, signature };
}

// The runtime wants a time before that of the block the call is in, and at most 4 h older. The newest block's is right
// unless the chain has stood still for hours, as one without a block since its genesis: then a time by the clock here
// that leaves the chain's clock room to be 3 h behind it or 1 h ahead (a development node starts 2 h behind).
async function signingTimeFor({ chain, signal, now = Date.now }: PresenceOptions): Promise<bigint> {
  const { hash } = await chain.bestHead(signal);
  const newest = await chain.at(hash).timestamp(signal);
  const here = BigInt(now());
  return here - newest > stoodStillMs ? here - stoodStillMs : newest;
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
