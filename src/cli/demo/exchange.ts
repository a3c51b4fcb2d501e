import { filter, firstValueFrom, startWith } from 'rxjs';
import type { Account, Chain } from '../../chain/index.ts';
import { equalBytes, toHex, topicOf, type BodyInput, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Delivery } from '../../inbox/index.ts';
import { createOutbox } from '../../outbox/index.ts';
import { createReplier, createRequester, type Relay, type RelayClient, type Reply } from '../../relay/index.ts';
import type { WorkerEntry, WorkerStateWatch } from '../../worker-state/index.ts';
import { bodyText } from '../print-inbox.ts';
import type { Entity } from './entity.ts';

/** What the demo's steps share. */
export interface Scene {
  readonly chain: Chain;
  readonly watch: WorkerStateWatch;
  readonly client: RelayClient;
  readonly account: Account;
}

export interface OnChainResult {
  readonly blockNumber: number;
  /** The envelope as it stands in the block. */
  readonly cipher: Hex;
  readonly delivery: Delivery;
}

/** Posts a text on chain and waits until the recipient has opened it. */
export async function sendOnChain(scene: Scene, from: Entity, to: Entity, text: string): Promise<OnChainResult> {
  const { chain, watch, account } = scene;
  await using outbox = createOutbox({ chain, vault: from.vault, store: from.store, directory: watch.state, account });
  await outbox.start();
  const receipt = await outbox.send({ to: to.vault.identity, body: textBody(text), via: 'chain' });
  const { messageId, blockHash, blockNumber } = await receipt.reached('inBlock');
  const posted = await chain.at(blockHash).outboundMessages();
  const topic = topicOf(to.vault.identity);
  const message = posted.find(({ destination }) => equalBytes(destination, topic));
  const delivery = await to.delivered(messageId);
  return { blockNumber, cipher: toHex(message?.payload ?? new Uint8Array()), delivery };
}

export interface OffChainResult {
  readonly endpoint: string;
  readonly delivery: Delivery;
  readonly reply: Promise<Reply>;
}

/** Asks at the endpoint that the recipient published and waits until it has opened the question. */
export async function askOffChain(scene: Scene, from: Entity, to: Entity, text: string): Promise<OffChainResult> {
  const requester = createRequester(partsOf(scene, from));
  const { endpoint, messageId, reply } = await requester.ask({ to: to.vault.identity, body: textBody(text) });
  return { endpoint, delivery: await to.delivered(messageId), reply };
}

/** Answers a delivery: to the key that asked, at the relay that it asks at (protocol.md §8). */
export async function reply(scene: Scene, from: Entity, relay: Relay, delivery: Delivery, text: string): Promise<void> {
  const replier = createReplier({ ...partsOf(scene, from), relay });
  await replier.reply(delivery, new TextEncoder().encode(text));
}

/** The worker as WorkerState has it, once it fits. */
export async function workerWhere(
  { watch }: Scene,
  id: Hex,
  fits: (worker: WorkerEntry) => boolean,
): Promise<WorkerEntry> {
  const isThere = (): boolean => {
    const worker = watch.state.get(id);
    return worker !== undefined && fits(worker);
  };
  await firstValueFrom(watch.changes$.pipe(startWith(undefined), filter(isThere)));
  const worker = watch.state.get(id);
  if (worker === undefined) throw new RelayError('unknown-recipient', { details: { id } });
  return worker;
}

/** What the recipient reads, in quotes. */
export function quoted({ body }: Delivery): string {
  return `"${bodyText(body)}"`;
}

function textBody(text: string): BodyInput {
  return { kind: 'data', content: new TextEncoder().encode(text) };
}

function partsOf({ chain, watch, client }: Scene, { vault, store }: Entity) {
  return { vault, store, client, genesisHash: chain.genesisHash, directory: watch.state };
}
