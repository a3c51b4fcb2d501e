import type { BlockId, MessageSender } from '../chain/index.ts';
import type { ChannelId, ReplayWindow } from '../channel/index.ts';
import { messageId, type Body, type Header, type Hex } from '../codec/index.ts';
import { RelayError, type ErrorCode } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { reasonOfDeath, type DeadLetter } from './dead-letter.ts';
import { sequenceBytes, type InboxStore } from './inbox-store.ts';
import type { MessageRecord, Sequence } from './stream-item.ts';

const toleranceMs = 600_000;
/** Envelopes given to the vault at once: an agent's socket takes so many. */
const openedAtOnce = 256;

export interface OpenedMessage {
  readonly header: Header;
  readonly body: Body;
}

/** Where a message was posted, and what is known of that. */
export interface Posting {
  readonly sender: MessageSender;
  readonly block: BlockId;
  readonly isFinal: boolean;
  readonly isProven: boolean;
}

/** A message to be accepted. */
export interface Arrival {
  readonly envelope: Uint8Array;
  /** undefined for via relay. */
  readonly posting: Posting | undefined;
  /** How far the sender's clock may be from ours, ms; for via relay only. */
  readonly toleranceMs?: number;
}

/** What became of an arrival. */
export type Outcome =
  | {
      readonly type: 'message';
      readonly sequence: Sequence;
      readonly record: MessageRecord;
      readonly opened: OpenedMessage;
    }
  | { readonly type: 'reinstated'; readonly sequence: Sequence }
  | { readonly type: 'seen' }
  | { readonly type: 'dead'; readonly sequence: Sequence; readonly code: ErrorCode }
  /** For via relay: its sender is told. */
  | { readonly type: 'refused'; readonly error: RelayError };

export interface AdmissionContext {
  readonly vault: Vault;
  readonly genesisHash: Hex;
  readonly window: ReplayWindow;
  readonly store: InboxStore;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Whether the store holds a retracted message at all. */
  readonly hasRetracted: boolean;
}

/** One transaction: what to write, and what it means. */
export interface Admitted {
  readonly writes: readonly Write[];
  /** Sequence after it. */
  readonly next: Sequence;
  /** In the order of the arrivals. */
  readonly outcomes: readonly Outcome[];
}

/** Opens messages, in order. Throws where that fails for this machine's sake. */
export async function openAll(
  { vault, genesisHash }: Pick<AdmissionContext, 'vault' | 'genesisHash'>,
  arrivals: readonly Arrival[],
): Promise<(OpenedMessage | RelayError)[]> {
  const open = ({ envelope }: Arrival): Promise<OpenedMessage | RelayError> =>
    vault.open({ genesisHash, envelope }).catch(reasonOfDeath);
  const opened: (OpenedMessage | RelayError)[] = [];
  for (let at = 0; at < arrivals.length; at += openedAtOnce)
    opened.push(...(await Promise.all(arrivals.slice(at, at + openedAtOnce).map(open))));
  return opened;
}

/** Decides on opened messages, in order. Reads the store and writes nothing. */
export async function admitAll(
  context: AdmissionContext,
  arrivals: readonly Arrival[],
  opened: readonly (OpenedMessage | RelayError)[],
  start: Sequence,
): Promise<Admitted> {
  const { store, window } = context;
  const batch = window.begin();
  const writes: Write[] = [];
  const outcomes: Outcome[] = [];
  let next = start;
  for (const [i, arrival] of arrivals.entries()) {
    const { posting } = arrival;
    const message = opened[i];
    try {
      if (message === undefined || message instanceof RelayError) throw message ?? new RelayError('open-failed');
      if (posting === undefined) checkRelayed(message.header, arrival, context.now());
      else checkSender(message.header, posting.sender);
      const returned = context.hasRetracted ? await retractedBefore(context, arrival) : undefined;
      const sequence = returned ?? next;
      const isNew = await batch.admit({
        channel: message.header satisfies ChannelId,
        nonce: message.header.nonce,
        sentAt: message.header.sentAt,
        via: posting === undefined ? 'relay' : 'chain',
        isFinal: posting?.isFinal ?? false,
        tag: sequenceBytes(sequence),
      });
      if (!isNew) {
        outcomes.push({ type: 'seen' });
        continue;
      }
      const record = recordOf(arrival);
      if (posting?.isFinal === false) writes.push(store.earlyWrite(posting.block.number, sequence, true));
      if (returned === undefined) {
        writes.push(store.itemWrite(sequence, record));
        outcomes.push({ type: 'message', sequence, record, opened: message });
      } else {
        writes.push(...(await reinstateWrites(context, returned, record, next)));
        outcomes.push({ type: 'reinstated', sequence: returned });
      }
      next += 1n;
    } catch (error) {
      const reason = reasonOfDeath(error);
      if (posting === undefined) {
        outcomes.push({ type: 'refused', error: reason });
        continue;
      }
      writes.push(...deadLetterWrites(store, next, letterOf(arrival.envelope, posting, reason.code)));
      outcomes.push({ type: 'dead', sequence: next, code: reason.code });
      next += 1n;
    }
  }
  return { writes: [...writes, ...(await batch.finish())], next, outcomes };
}

/** Puts a message aside, and tells the consumer. */
export function deadLetterWrites(store: InboxStore, sequence: Sequence, letter: DeadLetter): Write[] {
  const { block, isFinal } = letter;
  const early = block === undefined || isFinal ? [] : [store.earlyWrite(block.number, sequence, true)];
  return [store.letterWrite(sequence, letter), store.itemWrite(sequence, { kind: 'dead', letter: sequence }), ...early];
}

function letterOf(envelope: Uint8Array, { sender, block, isFinal, isProven }: Posting, code: ErrorCode): DeadLetter {
  return { envelope, code, sender, block, isFinal, isProven, retries: 0 };
}

function recordOf({ envelope, posting }: Arrival): MessageRecord {
  return {
    kind: 'message',
    envelope,
    block: posting?.block,
    isFinal: posting?.isFinal ?? true,
    isAcknowledged: false,
    isRetracted: false,
    isProven: posting?.isProven ?? true,
  };
}

async function retractedBefore(
  { store, genesisHash }: AdmissionContext,
  { envelope }: Arrival,
): Promise<Sequence | undefined> {
  return store.retracted(messageId({ genesisHash, envelope }));
}

async function reinstateWrites(
  { store, genesisHash }: AdmissionContext,
  sequence: Sequence,
  record: MessageRecord,
  next: Sequence,
): Promise<Write[]> {
  const id = messageId({ genesisHash, envelope: record.envelope });
  const earlier = await store.item(sequence);
  const isAcknowledged = earlier?.kind === 'message' && earlier.isAcknowledged;
  const before = earlier?.kind === 'message' ? earlier.block : undefined;
  const isKept = !(record.isFinal && isAcknowledged);
  return [
    ...(before === undefined || before.number === record.block?.number
      ? []
      : [store.earlyWrite(before.number, sequence, false)]),
    store.itemWrite(sequence, isKept ? { ...record, isAcknowledged } : undefined),
    store.retractedWrite(id, undefined),
    store.itemWrite(next, { kind: 'reinstated', of: sequence, messageId: id }),
  ];
}

/** Throws sender-not-proven unless the chain says the same as the header (protocol.md §10). */
export function checkSender(header: Header, sender: MessageSender): void {
  if (sender.kind === header.fromKind && sender.id === header.from) return;
  const proven = sender.kind === 'other' ? sender.name : `${sender.kind} ${sender.id}`;
  throw new RelayError('sender-not-proven', { details: { claimed: `${header.fromKind} ${header.from}`, proven } });
}

/** Throws sender-not-proven, clock-skew (protocol.md §9). */
function checkRelayed(header: Header, { toleranceMs: tolerated = toleranceMs }: Arrival, nowMs: number): void {
  if (header.fromKind !== 'worker')
    throw new RelayError('sender-not-proven', { details: { claimed: header.from, proven: 'a worker' } });
  const difference = Number(header.sentAt - BigInt(nowMs));
  if (Math.abs(difference) > tolerated)
    throw new RelayError('clock-skew', { details: { sentAt: header.sentAt, toleranceMs: tolerated } });
}
