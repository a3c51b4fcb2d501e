import type { MessageSender, OutboundMessage } from '../chain/index.ts';
import type { ChannelId, ReplayWindow } from '../channel/index.ts';
import { messageId, type Body, type Header, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Expectation, Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { deadLetterWrite, reasonOfDeath } from './dead-letters.ts';
import { sequenceTag, type InboxStore, type Sequence } from './inbox-store.ts';
import type { BlockRef, MessageRecord } from './message-record.ts';

const toleranceMs = 600_000n;

/** What accepting a message writes and tells. */
export interface Accepted {
  readonly writes: readonly Write[];
  readonly expectations: readonly Expectation[];
  readonly outcome:
    | { readonly type: 'message'; readonly sequence: Sequence; readonly opened: OpenedMessage }
    | { readonly type: 'reinstated'; readonly sequence: Sequence; readonly messageId: Hex }
    | { readonly type: 'dead'; readonly messageId: Hex; readonly from: Hex | undefined; readonly code: string };
}

export interface OpenedMessage {
  readonly header: Header;
  readonly body: Body;
}

export interface AdmissionContext {
  readonly vault: Vault;
  readonly genesisHash: Hex;
  readonly window: ReplayWindow;
  readonly store: InboxStore;
  readonly now: () => number;
}

/** Takes a message of a block. undefined: seen before. What can't be delivered becomes a dead letter. */
export async function admitFromChain(
  context: AdmissionContext,
  { sender, payload }: OutboundMessage,
  block: BlockRef & { readonly isFinal: boolean },
  sequence: Sequence,
): Promise<Accepted | undefined> {
  const { vault, genesisHash } = context;
  try {
    const opened = await vault.open({ genesisHash, envelope: payload });
    checkSender(opened.header, sender);
    const { number, hash, isFinal } = block;
    const record = { ...fresh(payload), block: { number, hash }, isFinal };
    return await admit(context, opened, record, sequence, 'chain');
  } catch (error) {
    const { code } = reasonOfDeath(error);
    return {
      writes: [deadLetterWrite(sequence, { envelope: payload, code }), context.store.sequenceWrite(sequence)],
      expectations: [],
      outcome: { type: 'dead', messageId: messageId({ genesisHash, envelope: payload }), from: idOf(sender), code },
    };
  }
}

/** Takes an off-chain message. undefined: seen before. Throws what the message is refused for. */
export async function admitFromRelay(
  context: AdmissionContext,
  envelope: Uint8Array,
  sequence: Sequence,
  skipClockCheck: boolean,
): Promise<Accepted | undefined> {
  const opened = await context.vault.open({ genesisHash: context.genesisHash, envelope });
  if (opened.header.fromKind !== 'worker')
    throw new RelayError('sender-not-proven', { details: { claimed: opened.header.from, proven: 'a worker' } });
  if (!skipClockCheck) checkClock(opened.header, context.now());
  const record = { ...fresh(envelope), block: undefined, isFinal: true };
  return admit(context, opened, record, sequence, 'relay');
}

function fresh(envelope: Uint8Array): Pick<MessageRecord, 'envelope' | 'isAcknowledged' | 'isRetracted'> {
  return { envelope, isAcknowledged: false, isRetracted: false };
}

async function admit(
  { window, store, genesisHash }: AdmissionContext,
  opened: OpenedMessage,
  record: MessageRecord,
  sequence: Sequence,
  via: 'chain' | 'relay',
): Promise<Accepted | undefined> {
  const id = messageId({ genesisHash, envelope: record.envelope });
  const returned = await store.retracted(id);
  const tag = sequenceTag(returned?.[0] ?? sequence);
  const channel: ChannelId = opened.header;
  const admission = await window.admit(channel, opened.header.nonce, via, tag);
  if (admission === undefined) return undefined;
  if (returned === undefined)
    return {
      writes: [...admission.writes, ...store.recordWrites(sequence, record)],
      expectations: admission.expectations,
      outcome: { type: 'message', sequence, opened },
    };
  const [earlier, { isAcknowledged }] = returned;
  return {
    writes: [...admission.writes, ...store.reinstateWrites(earlier, id, { ...record, isAcknowledged })],
    expectations: admission.expectations,
    outcome: { type: 'reinstated', sequence: earlier, messageId: id },
  };
}

function checkSender(header: Header, sender: MessageSender): void {
  if (sender.kind === header.fromKind && sender.id === header.from) return;
  const proven = sender.kind === 'other' ? sender.name : `${sender.kind} ${sender.id}`;
  throw new RelayError('sender-not-proven', { details: { claimed: `${header.fromKind} ${header.from}`, proven } });
}

/** Throws clock-skew (protocol.md §9). */
function checkClock({ sentAt }: Pick<Header, 'sentAt'>, nowMs: number): void {
  const difference = sentAt - BigInt(nowMs);
  if (difference > toleranceMs || difference < -toleranceMs)
    throw new RelayError('clock-skew', { details: { sentAt, toleranceMs } });
}

function idOf(sender: MessageSender): Hex | undefined {
  return sender.kind === 'other' ? undefined : sender.id;
}
