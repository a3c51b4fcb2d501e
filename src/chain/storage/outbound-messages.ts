import { toHex } from '../../codec/index.ts';
import type { MessageSender, OutboundMessage } from '../messages/messages.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
import { KnownSenders } from '../messages/known-senders.ts';
import { ByteSource, type MessageSource } from '../messages/message-source.ts';
import { fastToHex } from './fast-hex.ts';

/** Variants of MessageOrigin as the interface page fixes them; runtimes have some or all of them. */
const origins = new Set([
  '0:Pallet(<u8>)',
  '1:Contract([u8;32])',
  '2:Worker([u8;32])',
  '3:AccountId([u8;32])',
  '4:MultiLocation(<u8>)',
  '5:Gatekeeper',
  '6:Cluster([u8;32])',
  '255:Reserved',
]);
const form = /^<\{sender:enum\{([^{}]*)\},destination:<u8>,payload:<u8>\}>$/;

/** Whether {@link decodeOutboundMessages} reads this runtime's `OutboundMessages`. */
export function hasKnownMessages(entry: StorageEntry): boolean {
  const [, variants] = form.exec(entry.valueShape) ?? [];
  return variants?.split(/,(?=\d+:)/).every((variant) => origins.has(variant)) ?? false;
}

/** Names of the senders that are neither workers nor accounts, by variant of MessageOrigin. */
const otherSenders: Readonly<Record<number, string>> = {
  0: 'Pallet',
  1: 'Contract',
  4: 'MultiLocation',
  5: 'Gatekeeper',
  6: 'Cluster',
  255: 'Reserved',
};

const idLength = 32;
const senders = new KnownSenders();

/** A message that was found, not yet copied out. */
export interface FoundMessage {
  readonly sender: MessageSender;
  readonly destination: Uint8Array;
  readonly source: MessageSource;
  readonly payloadAt: number;
  readonly payloadLength: number;
}

/**
 * By hand: a codec object for each message of a block costs more than all the rest of reading it. With `topics` only the
 * messages to one of them; the others are stepped over and never made into objects.
 */
export function findMessages(source: MessageSource, topics?: readonly Uint8Array[]): FoundMessage[] {
  const found: FoundMessage[] = [];
  for (let left = source.compactLength(); left > 0; left--) {
    const variant = source.u8();
    const idAt = skipSender(source, variant);
    const topicLength = source.compactLength();
    const topicAt = source.skip(topicLength);
    const payloadLength = source.compactLength();
    const payloadAt = source.skip(payloadLength);
    const destination =
      topics === undefined ? copyOf(source, topicAt, topicLength) : topicAmong(topics, source, topicAt, topicLength);
    if (destination !== undefined)
      found.push({ sender: senderOf(variant, source, idAt), destination, source, payloadAt, payloadLength });
  }
  source.end();
  return found;
}

/** All of them, or those to one of `topics`. */
export function decodeOutboundMessages(bytes: Uint8Array, topics?: readonly Uint8Array[]): OutboundMessage[] {
  return findMessages(new ByteSource(bytes), topics).map(
    ({ sender, destination, source, payloadAt, payloadLength }) => ({
      sender,
      destination,
      payload: copyOf(source, payloadAt, payloadLength),
    }),
  );
}

/** Where its id of 32 bytes is; undefined where the variant has none. */
function skipSender(source: MessageSource, variant: number): number | undefined {
  switch (variant) {
    case 0:
    case 4:
      source.skip(source.compactLength());
      return undefined;
    case 1:
    case 2:
    case 3:
    case 6:
      return source.skip(idLength);
    case 5:
    case 255:
      return undefined;
    default:
      throw source.unknownVariant(variant);
  }
}

function topicAmong(topics: readonly Uint8Array[], source: MessageSource, at: number, length: number) {
  for (const topic of topics) if (topic.length === length && source.standsAt(at, topic)) return topic;
  return undefined;
}

function copyOf(source: MessageSource, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  source.copy(at, length, bytes, 0);
  return bytes;
}

function senderOf(variant: number, source: MessageSource, idAt: number | undefined): MessageSender {
  if (idAt !== undefined && variant === 2) return senders.of('worker', source, idAt);
  if (idAt !== undefined && variant === 3) return senders.of('account', source, idAt);
  const name = otherSenders[variant] ?? 'unknown';
  return idAt === undefined
    ? { kind: 'other', name }
    : { kind: 'other', name, id: fastToHex(copyOf(source, idAt, idLength)) };
}

/** The slow way, for a runtime with another layout: by its own metadata, fields by name. */
export function decodeForeignMessages(runtime: Runtime, entry: StorageEntry, bytes: Uint8Array): OutboundMessage[] {
  const messages = runtime.decode(entry.valueType, bytes) as unknown as Iterable<{
    readonly sender: { readonly type: string; readonly value: { toU8a(bare?: boolean): Uint8Array } };
    readonly destination: { toU8a(bare: boolean): Uint8Array };
    readonly payload: { toU8a(bare: boolean): Uint8Array };
  }>;
  return Array.from(messages, ({ sender, destination, payload }) => ({
    sender: foreignSender(sender.type, sender.value.toU8a()),
    destination: destination.toU8a(true),
    payload: payload.toU8a(true),
  }));
}

function foreignSender(type: string, value: Uint8Array): MessageSender {
  if (value.length === 32 && type === 'Worker') return { kind: 'worker', id: toHex(value) };
  if (value.length === 32 && type === 'AccountId') return { kind: 'account', id: toHex(value) };
  const hasId = value.length === 32 && (type === 'Contract' || type === 'Cluster');
  return hasId ? { kind: 'other', name: type, id: toHex(value) } : { kind: 'other', name: type };
}
