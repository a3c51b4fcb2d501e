import { Reader, toHex } from '../../codec/index.ts';
import type { MessageSender, OutboundMessage } from '../chain.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';

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

/** By hand: a codec object for each message of a block costs more than all the rest of reading it. */
export function decodeOutboundMessages(bytes: Uint8Array): OutboundMessage[] {
  const reader = new Reader(bytes, 'OutboundMessages');
  const messages: OutboundMessage[] = [];
  for (let left = reader.compactLength(); left > 0; left--)
    messages.push({ sender: readSender(reader), destination: reader.bytes(), payload: reader.bytes() });
  reader.end();
  return messages;
}

function readSender(reader: Reader): MessageSender {
  const variant = reader.u8();
  switch (variant) {
    case 0:
      reader.bytes();
      return { kind: 'other', name: 'Pallet' };
    case 1:
      reader.fixed(32);
      return { kind: 'other', name: 'Contract' };
    case 2:
      return { kind: 'worker', id: toHex(reader.fixed(32)) };
    case 3:
      return { kind: 'account', id: toHex(reader.fixed(32)) };
    case 4:
      reader.bytes();
      return { kind: 'other', name: 'MultiLocation' };
    case 5:
      return { kind: 'other', name: 'Gatekeeper' };
    case 6:
      reader.fixed(32);
      return { kind: 'other', name: 'Cluster' };
    case 255:
      return { kind: 'other', name: 'Reserved' };
    default:
      throw reader.unknownVariant(variant);
  }
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
  return { kind: 'other', name: type };
}
