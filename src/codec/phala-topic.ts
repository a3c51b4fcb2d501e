import { RelayError } from '../errors/index.ts';
import { fromHex, toBytes, toHex, type BytesLike, type Hex } from './hex.ts';

const ownNamespace = 'phala/';
const command = /^phala\/contract\/([0-9a-f]{64})\/command$/;
const latin1 = new TextDecoder('latin1');

/** Topic of the commands to a Phala contract: `phala/contract/<id without 0x>/command`. */
export function contractTopic(contract: BytesLike): Uint8Array {
  const id = toHex(toBytes(contract, 'contract', 32)).slice(2);
  return new TextEncoder().encode(`${ownNamespace}contract/${id}/command`);
}

/** The contract whose commands go to a topic; undefined for any other topic. */
export function contractOfTopic(topic: Uint8Array): Hex | undefined {
  const [, id] = command.exec(latin1.decode(topic)) ?? [];
  return id === undefined ? undefined : `0x${id}`;
}

/**
 * Refuses the topics that Phala's own software reads, but those of contracts' commands: pRuntime panics on what it can not
 * decode from a worker. Throws phala-topic.
 */
export function refusePhalaTopic(topic: Uint8Array): void {
  const text = latin1.decode(topic);
  if (text.startsWith(ownNamespace) && contractOfTopic(topic) === undefined)
    throw new RelayError('phala-topic', { details: { topic: text } });
}

/** A topic as people write it: text, or 0x-hex of its bytes. Throws bad-hex. */
export function topicFromText(text: string): Uint8Array {
  return text.startsWith('0x') ? fromHex(text, 'The topic') : new TextEncoder().encode(text);
}
