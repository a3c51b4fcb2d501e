import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeEnvelope,
  encodeSignedEnvelope,
  envelopeContent,
  loginContent,
  messageId,
  toHex,
  type HeaderInput,
  type Hex,
} from '../../src/codec/index.ts';
import {
  agree,
  deriveCommKey,
  keyPairFromSeed,
  ready,
  sealEnvelope,
  signWith,
  type KeyPair,
} from '../../src/crypto/index.ts';
import type { LoginRequest } from '../../src/relay/index.ts';
import { createRelay, type Relay, type RelayOptions } from '../../src/relay/index.ts';
import { openLmdbMailStore, type LmdbMailStoreOptions } from '../../src/store/lmdb-mail-store.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { freePort } from '../support/free-port.ts';

export const genesisHash: Hex = `0x${'67'.repeat(32)}`;

export interface Entity {
  readonly identity: Hex;
  readonly keys: KeyPair;
}

await ready();

/** An identity of its own per name. */
export function entity(name: string): Entity {
  const seed = new Uint8Array(32);
  seed.set(new TextEncoder().encode(name).slice(0, 32));
  const keys = keyPairFromSeed(seed);
  return { identity: toHex(keys.publicKey), keys };
}

export const [alice, bob, carol] = [entity('alice'), entity('bob'), entity('carol')];

let lastNonce = BigInt(Date.now()) << 20n;

export interface MessageOptions {
  readonly text?: string;
  readonly header?: Partial<HeaderInput>;
  /** Who signs, where it is not the sender. */
  readonly signer?: Entity;
  readonly genesisHash?: Hex;
  readonly size?: number;
}

export interface TestMessage {
  readonly id: Hex;
  readonly bytes: Uint8Array;
  readonly envelope: Uint8Array;
}

/** A signed envelope; its ciphertext is `text` in the clear, which a relay can't tell. */
export function message(from: Entity, to: Entity, options: MessageOptions = {}): TestMessage {
  const signer = options.signer ?? from;
  const genesis = options.genesisHash ?? genesisHash;
  const envelope = encodeEnvelope({
    suite: 'v1',
    header: {
      fromKind: 'worker',
      from: from.identity,
      to: to.identity,
      senderKey: from.keys.publicKey,
      recipientKey: to.keys.publicKey,
      nonce: ++lastNonce,
      sentAt: Date.now(),
      ...options.header,
    },
    iv: new Uint8Array(12),
    ciphertext:
      options.size === undefined ? new TextEncoder().encode(options.text ?? 'hello') : new Uint8Array(options.size),
  });
  const signature = signWith(signer.keys, envelopeContent({ genesisHash: genesis, envelope }));
  const bytes = encodeSignedEnvelope({ identity: signer.identity, signature, envelope });
  return { id: messageId({ genesisHash, envelope }), bytes, envelope };
}

/** As {@link message}, and bob's vault opens it: what is in it is encrypted. */
export function sealedMessage(from: Entity, to: Entity, text: string): TestMessage {
  const [senderKey, recipientKey] = [from.keys.publicKey, to.keys.publicKey];
  const z = agree(from.keys.secretKey, recipientKey);
  const nonce = ++lastNonce;
  const envelope = sealEnvelope({
    commKey: deriveCommKey({ z, senderKey, recipientKey }),
    genesisHash,
    header: {
      ...{ fromKind: 'worker', from: from.identity, to: to.identity, senderKey, recipientKey, nonce },
      sentAt: Date.now(),
    },
    iv: crypto.getRandomValues(new Uint8Array(12)),
    body: { kind: 'data', content: new TextEncoder().encode(text) },
  });
  const signature = signWith(from.keys, envelopeContent({ genesisHash, envelope }));
  const bytes = encodeSignedEnvelope({ identity: from.identity, signature, envelope });
  return { id: messageId({ genesisHash, envelope }), bytes, envelope };
}

export function signer({ identity, keys }: Entity): (login: LoginRequest) => Promise<Uint8Array> {
  return async (login) => signWith(keys, loginContent({ ...login, identity }));
}

/** Things to end after a test, newest first. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = [];

  add<T>(value: T, step: (value: T) => unknown): T {
    this.#steps.push(() => step(value));
    return value;
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'khala-relay-test-'));
    return this.add(path, () => rm(path, { recursive: true, force: true }));
  }

  async store(options: Partial<LmdbMailStoreOptions> = {}): Promise<MailStore> {
    const path = options.path ?? (await this.folder());
    return this.add(await openLmdbMailStore({ ...options, path }), (store) => store.close());
  }

  /** A started relay on a free port that serves bob, unless told otherwise. */
  async relay(options: Partial<RelayOptions> = {}): Promise<Relay & { readonly mailStore: MailStore }> {
    const mailStore = options.mailStore ?? (await this.store());
    const relay = createRelay({
      genesisHash,
      // It may come back there.
      listen: { port: await freePort() },
      recipients: [bob.identity],
      allowPrivate: true,
      ...options,
      // A test asks /metrics again and again until it says what is awaited.
      limits: { metricsAgeMs: 0, perAddressQueries: { perSecond: 1e6, burst: 1e6 }, ...options.limits },
      mailStore,
    });
    this.add(relay, () => relay.stop());
    await relay.start();
    return Object.assign(relay, { mailStore });
  }
}
