import { decodeEnvelope, equalBytes, type Hex } from '../../../src/codec/index.ts';
import { openOutboxQueue, type OutboxEntry } from '../../../src/outbox/index.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import type { Span } from '../../soak/gaps.ts';
import type { RecipientEntry, SenderEntry } from '../../soak/ledger.ts';
import { nameOf, type Copy } from '../../soak/postings.ts';
import type { PostedMessage } from '../../soak/truth.ts';
import { judge, type SenderRecord } from '../../soak/verdict.ts';
import type { SimulatedChain } from '../../support/simulation/simulated-chain.ts';
import { brokenByCommands } from './posted-commands.ts';
import type { Recipients } from './recipients.ts';
import type { Kind, SentLedger } from './sent-ledger.ts';
import type { SimulatedRelay } from './simulated-relay.ts';

export const commandTopic = new TextEncoder().encode('commands');

/** What a schedule has done to what was sent, and what an outbox left. */
export interface OutboxEvidence {
  readonly chain: SimulatedChain;
  readonly disk: TransactionalStore;
  readonly recipients: Recipients;
  readonly relay: SimulatedRelay;
  readonly sent: SentLedger;
  /** Ids of the senders. */
  readonly ids: Readonly<Record<Kind, Hex>>;
  /** Of these texts nothing is promised but that they come in once at most, and in order. */
  readonly givenUp: ReadonlySet<string>;
  /** Texts of what was retried by hand: what was sent later may have gone before. */
  readonly retried: ReadonlySet<string>;
  /** What is posted may fail with. */
  readonly mayFailWith: ReadonlySet<string>;
  /** Of the worker's messages, what others took out of the pool and posted. */
  readonly copies: readonly Copy[];
  /** Texts. */
  readonly copiedCommands: ReadonlySet<string>;
  readonly isWorkerShared: boolean;
  /** Blocks that no node has any more: what may have come in there goes again. */
  readonly unknown: readonly Span[];
}

/** Whoever takes what the relay has, and reads the finalized blocks, takes each nonce once, as an inbox does. */
export async function judgeOutbox(evidence: OutboxEvidence): Promise<string[]> {
  const { sent, relay, retried, mayFailWith, copies, recipients, unknown } = evidence;
  const posted = postedIn(evidence);
  const failed = await failuresIn(evidence.disk);
  const isUnknown = (block: number): boolean => unknown.some(({ first, last }) => block >= first && block <= last);
  const { broken } = judge({
    senders: sendersOf(evidence, failed),
    recipients: await Promise.all(
      recipients.ids.map(async (id) => ({
        ...{ id, finality: 'finalized' as const },
        entries: await receivedBy(id, evidence, posted),
      })),
    ),
    posted,
    uncounted: new Set(posted.filter(({ block }) => isUnknown(block)).map(nameOf)),
    relayed: new Set(relay.relayed.map(({ text }) => text)),
    unordered: retried,
    ...{ mayFailWith, copies },
  });
  const others = await Promise.all([brokenInCommands(evidence, failed), unended(evidence)]);
  return [...broken, ...sent.broken, ...others.flat()];
}

/** Of these, what has no end, or one that it may not have. */
export async function unended(
  { disk, mayFailWith }: Pick<OutboxEvidence, 'disk' | 'mayFailWith'>,
  among: (entry: OutboxEntry) => boolean = () => true,
): Promise<string[]> {
  const broken: string[] = [];
  for await (const entry of openOutboxQueue(disk).entries()) {
    const { sendId, status, suite } = entry;
    if (!among(entry) || status.state === 'finalized' || status.state === 'relayed') continue;
    if (status.state !== 'failed') broken.push(`${suite} ${sendId} stays ${status.state}`);
    else if (!mayFailWith.has(status.error.code) || (suite === 'v1' && status.error.code === 'fate-unknown'))
      broken.push(`${suite} ${sendId} failed with ${status.error.code}`);
  }
  return broken;
}

/** In the order of the chain. */
function postedIn({ chain, recipients }: OutboxEvidence): PostedMessage[] {
  const posted: PostedMessage[] = [];
  const topics = [...recipients.topics];
  for (let block = 1; block <= chain.finalized.head.number; block++)
    for (const { sender, destination, payload } of chain.at(block)?.messages ?? []) {
      const [to] = topics.find(([, topic]) => equalBytes(topic, destination)) ?? [];
      if (sender.kind === 'other' || to === undefined) continue;
      const envelope = decodeEnvelope(payload);
      if (envelope.suite !== 'v1') continue;
      posted.push({ block, sender: `${sender.kind} ${sender.id}`, to, payload, nonce: envelope.header.nonce });
    }
  return posted;
}

async function receivedBy(
  id: Hex,
  { relay, ids, recipients }: OutboxEvidence,
  posted: readonly PostedMessage[],
): Promise<RecipientEntry[]> {
  const entries: RecipientEntry[] = [{ event: 'started' }];
  const seen = new Set<string>();
  const take = (sender: string, nonce: bigint, text: string): void => {
    const name = nameOf({ sender, to: id, nonce });
    if (seen.has(name)) return;
    seen.add(name);
    const [fromKind, from] = sender.split(' ') as [Kind, Hex];
    const told = { id: idOf(seen.size), from, fromKind, nonce: String(nonce), text, isFinal: true };
    entries.push({ event: 'delivered', ...told }, { event: 'acknowledged', id: told.id });
  };
  for (const { to, nonce, text } of relay.relayed) if (to === id) take(`worker ${ids.worker}`, nonce, text);
  for (const { to, sender, nonce = 0n, payload } of posted)
    if (to === id) take(sender, nonce, await recipients.textOf(payload));
  return entries;
}

function sendersOf(
  { sent, ids, givenUp, isWorkerShared }: OutboxEvidence,
  failed: ReadonlyMap<bigint, string>,
): SenderRecord[] {
  return (['worker', 'account'] as const).map((kind) => ({
    id: `${kind} ${ids[kind]}`,
    isWorkerShared: kind === 'worker' && isWorkerShared,
    entries: [
      ...sent.entries(kind).filter((entry) => entry.event !== 'queued' || !givenUp.has(entry.text)),
      ...sent.messages.flatMap(({ as, to, text, entry }): SenderEntry[] => {
        const isOwn = entry !== undefined && as === kind && !givenUp.has(text);
        const code = isOwn ? failed.get(entry.sendId) : undefined;
        return code === undefined ? [] : [{ event: 'failed', to, nonce: String(entry?.nonce), code }];
      }),
    ],
  }));
}

/** Of those that have: with which code. */
async function failuresIn(disk: TransactionalStore): Promise<ReadonlyMap<bigint, string>> {
  const codes = new Map<bigint, string>();
  for await (const { sendId, status } of openOutboxQueue(disk).entries())
    if (status.state === 'failed') codes.set(sendId, status.error.code);
  return codes;
}

async function brokenInCommands(
  { chain, recipients, sent, retried, isWorkerShared, copiedCommands }: OutboxEvidence,
  failed: ReadonlyMap<bigint, string>,
): Promise<string[]> {
  const posted: Record<Kind, string[]> = { worker: [], account: [] };
  for (let number = 1; number <= chain.finalized.head.number; number++)
    for (const { sender, destination, payload } of chain.at(number)?.messages ?? [])
      if (sender.kind !== 'other' && equalBytes(destination, commandTopic))
        posted[sender.kind].push(await recipients.commandIn(payload));
  // What others copied may be in before an earlier one whose sequence other software of the worker used.
  const isEarly = (text: string): boolean => isWorkerShared && copiedCommands.has(text);
  const mayMove = (text: string): boolean => retried.has(text) || isEarly(text);
  return brokenByCommands({ sent: sent.commands, posted, failed, mayMove });
}

function idOf(n: number): Hex {
  return `0x${n.toString(16).padStart(64, '0')}`;
}
