import { Reader, toHex } from '../../codec/index.ts';
import type { MessageSender, OutboundMessage } from '../chain.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
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

/**
 * By hand: a codec object for each message of a block costs more than all the rest of reading it. With `topics` only the
 * messages to one of them; the others are stepped over and never made into objects. What comes out are views of `bytes`.
 */
export function decodeOutboundMessages(bytes: Uint8Array, topics?: readonly Uint8Array[]): OutboundMessage[] {
  const reader = new Reader(bytes, 'OutboundMessages', true);
  const messages: OutboundMessage[] = [];
  for (let left = reader.compactLength(); left > 0; left--) {
    const variant = reader.u8();
    const idAt = skipSender(reader, variant);
    const topicLength = reader.compactLength();
    const topicAt = reader.skip(topicLength);
    const payloadLength = reader.compactLength();
    const payloadAt = reader.skip(payloadLength);
    const topic = topics && topicAmong(topics, bytes, topicAt, topicLength);
    if (topics !== undefined && topic === undefined) continue;
    messages.push({
      sender: senderOf(variant, idAt === undefined ? undefined : viewOf(bytes, idAt, idLength)),
      destination: topic ?? viewOf(bytes, topicAt, topicLength),
      payload: viewOf(bytes, payloadAt, payloadLength),
    });
  }
  reader.end();
  return messages;
}

/** Where its id of 32 bytes is; undefined where the variant has none. */
function skipSender(reader: Reader, variant: number): number | undefined {
  switch (variant) {
    case 0:
    case 4:
      reader.skip(reader.compactLength());
      return undefined;
    case 1:
    case 2:
    case 3:
    case 6:
      return reader.skip(idLength);
    case 5:
    case 255:
      return undefined;
    default:
      throw reader.unknownVariant(variant);
  }
}

function topicAmong(topics: readonly Uint8Array[], bytes: Uint8Array, at: number, length: number) {
  for (const topic of topics) if (topic.length === length && beginsAt(bytes, at, topic)) return topic;
  return undefined;
}

/** From the end: topics of entities begin alike. */
function beginsAt(bytes: Uint8Array, at: number, topic: Uint8Array): boolean {
  for (let i = topic.length - 1; i >= 0; i--) if (bytes[at + i] !== topic[i]) return false;
  return true;
}

function viewOf({ buffer, byteOffset }: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(buffer, byteOffset + at, length);
}

function senderOf(variant: number, id: Uint8Array | undefined): MessageSender {
  if (id !== undefined && variant === 2) return { kind: 'worker', id: fastToHex(id) };
  if (id !== undefined && variant === 3) return { kind: 'account', id: fastToHex(id) };
  const name = otherSenders[variant] ?? 'unknown';
  return id === undefined ? { kind: 'other', name } : { kind: 'other', name, id: fastToHex(id) };
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
