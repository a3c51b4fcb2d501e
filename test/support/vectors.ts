import { readFileSync } from 'node:fs';
import type { BodyInput, FromKind, HeaderInput, Hex } from '../../src/codec/index.ts';

export interface VectorKeys {
  readonly name: string;
  readonly identitySeed: Hex;
  readonly identityPublic: Hex;
  readonly ecdhSeed: Hex;
  readonly ecdhPublic: Hex;
  readonly ecdhScalarCanonical: Hex;
}

interface VectorBody {
  readonly kind: 'Data' | 'Invocation' | 'Reply';
  readonly content?: Hex;
  readonly to?: Hex;
  readonly input?: Hex;
  readonly inReplyTo?: Hex;
}

export interface VectorEnvelope {
  readonly sender: string;
  readonly recipient: string;
  readonly fromKind: 'Worker' | 'Account';
  readonly nonce: string;
  readonly sentAt: number;
  readonly iv: Hex;
  readonly body: VectorBody;
  readonly plaintext: Hex;
  readonly aad: Hex;
  readonly envelope: Hex;
  readonly messageId: Hex;
  readonly topic: Hex;
}

interface Vectors {
  readonly genesisHash: Hex;
  readonly keys: readonly VectorKeys[];
  readonly agreements: readonly {
    readonly sender: string;
    readonly recipient: string;
    readonly sharedPoint: Hex;
    readonly direction: 0 | 1;
    readonly commKey: Hex;
  }[];
  readonly bodies: readonly (VectorBody & { readonly encoded: Hex })[];
  readonly envelopes: readonly VectorEnvelope[];
  readonly phalaEncryptedData: readonly {
    readonly sender: string;
    readonly recipient: string;
    readonly iv: Hex;
    readonly plaintext: Hex;
    readonly encryptedData: Hex;
  }[];
  readonly signedEnvelopes: readonly {
    readonly sender: string;
    readonly signedContent: Hex;
    readonly signature: Hex;
    readonly signedEnvelope?: Hex;
    readonly valid: boolean;
  }[];
  readonly ecdhRecords: readonly {
    readonly entity: string;
    readonly epoch: number;
    readonly signedContent: Hex;
    readonly record: string;
    readonly valid: boolean;
  }[];
  readonly challenges: readonly {
    readonly entity: string;
    readonly origin: string;
    readonly serverNonce: Hex;
    readonly expiresAt: number;
    readonly signedContent: Hex;
    readonly signature: Hex;
    readonly valid: boolean;
  }[];
}

/** test/vectors/v1.json. */
export const vectors = JSON.parse(readFileSync(new URL('../vectors/v1.json', import.meta.url), 'utf8')) as Vectors;

export function keysOf(name: string): VectorKeys {
  const keys = vectors.keys.find((candidate) => candidate.name === name);
  if (keys === undefined) throw new Error(`no vector keys of ${name}`);
  return keys;
}

export function bodyOf(body: VectorBody): BodyInput {
  const { content = '0x', to = '0x', input = '0x', inReplyTo = '0x' } = body;
  if (body.kind === 'Data') return { kind: 'data', content };
  if (body.kind === 'Invocation') return { kind: 'invocation', to, input };
  return { kind: 'reply', inReplyTo, content };
}

export function headerOf(vector: VectorEnvelope): HeaderInput {
  const [sender, recipient] = [keysOf(vector.sender), keysOf(vector.recipient)];
  return {
    fromKind: vector.fromKind.toLowerCase() as FromKind,
    from: sender.identityPublic,
    to: recipient.identityPublic,
    senderKey: sender.ecdhPublic,
    recipientKey: recipient.ecdhPublic,
    nonce: BigInt(vector.nonce),
    sentAt: vector.sentAt,
  };
}
