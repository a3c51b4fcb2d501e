import { filter, firstValueFrom, startWith } from 'rxjs';
import type { Account, Chain } from '../../chain/index.ts';
import { sealMessage } from '../../channel/index.ts';
import { encodeSignedEnvelope, equalBytes, toHex, topicOf, type BodyInput, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Delivery } from '../../inbox/index.ts';
import { createOutbox } from '../../outbox/index.ts';
import type { Relay, RelayClient } from '../../relay/index.ts';
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
  const { blockHash, blockNumber } = await receipt.reached('inBlock');
  const posted = await chain.at(blockHash).outboundMessages();
  const topic = topicOf(to.vault.identity);
  const message = posted.find(({ destination }) => equalBytes(destination, topic));
  const delivery = await to.delivered(receipt.messageId);
  return { blockNumber, cipher: toHex(message?.payload ?? new Uint8Array()), delivery };
}

export interface OffChainResult {
  readonly endpoint: string;
  readonly delivery: Delivery;
  readonly messageId: Hex;
}

/** Sends a text to the endpoint that the recipient published and waits until it has opened it. */
export async function sendOffChain(scene: Scene, from: Entity, to: Entity, text: string): Promise<OffChainResult> {
  const { chain, watch, client } = scene;
  const sender = { vault: from.vault, genesisHash: chain.genesisHash, store: from.store, directory: watch.state };
  const { envelope, messageId } = await sealMessage(sender, { to: to.vault.identity, body: textBody(text) });
  const endpoints = watch.state.get(to.vault.identity)?.endpoints ?? [];
  const { endpoint } = await client.send(await signed(scene, from, envelope), endpoints);
  return { endpoint, delivery: await to.delivered(messageId), messageId };
}

/** Answers a delivery: to the key that asked, by the mailbox of who asked (protocol.md §8). */
export async function reply(scene: Scene, from: Entity, relay: Relay, delivery: Delivery, text: string): Promise<void> {
  const { chain, watch } = scene;
  const sender = { vault: from.vault, genesisHash: chain.genesisHash, store: from.store, directory: watch.state };
  const body: BodyInput = { kind: 'reply', inReplyTo: delivery.messageId, content: new TextEncoder().encode(text) };
  const { envelope } = await sealMessage(sender, { to: delivery.from, body, recipientKey: delivery.senderKey });
  await relay.postReply(await signed(scene, from, envelope));
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

async function signed({ chain }: Scene, { vault }: Entity, envelope: Uint8Array): Promise<Uint8Array> {
  const signature = await vault.sign({ type: 'envelope', genesisHash: chain.genesisHash, envelope });
  return encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
}
