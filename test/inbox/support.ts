import type { Call, Chain } from '../../src/chain/index.ts';
import { sealMessage, type KeyDirectory, type Sender } from '../../src/channel/index.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, utf8 } from '../support/entities.ts';

/** Seals to entities and posts as Alice's account, or as the worker whose vault it has. */
export class Poster {
  readonly #chain: Chain;
  readonly #sending: Sender;

  readonly #isWorker: boolean;

  private constructor(chain: Chain, sending: Sender, isWorker = false) {
    this.#chain = chain;
    this.#sending = sending;
    this.#isWorker = isWorker;
  }

  static async of(chain: Chain, sender: Vault, ...recipients: readonly Vault[]): Promise<Poster> {
    return Poster.to(chain, sender, await directoryOf(...recipients));
  }

  /** To these keys. */
  static to(chain: Chain, sender: Vault, directory: KeyDirectory): Poster {
    return new Poster(chain, { vault: sender, genesisHash: chain.genesisHash, store: openMemoryStore(), directory });
  }

  /** The same, as the worker: what relays take too. */
  get asWorker(): Poster {
    return new Poster(this.#chain, this.#sending, true);
  }

  async sealed(to: Vault, text: string, nonce?: bigint): Promise<Uint8Array> {
    const body = { kind: 'data', content: utf8(text) } as const;
    const account = this.#isWorker ? {} : { account: alice.id };
    const outgoing = { to: to.identity, body, ...account, ...(nonce === undefined ? {} : { nonce }) };
    return (await sealMessage(this.#sending, outgoing)).envelope;
  }

  /** All in one block. */
  async post(to: Vault, ...payloads: readonly Uint8Array[]): Promise<{ blockHash: Hex; blockNumber: number }> {
    const destination = topicOf(to.identity);
    if (this.#isWorker) return this.#postAsWorker(destination, payloads);
    return this.#chain.submit(
      payloads.map((payload) => ({ kind: 'push-message', destination, payload })),
      alice,
    );
  }

  async #postAsWorker(destination: Uint8Array, payloads: readonly Uint8Array[]) {
    const { vault } = this.#sending;
    const { hash } = await this.#chain.bestHead();
    const first = await this.#chain.at(hash).ingressSequence(vault.identity);
    const calls: Call[] = [];
    for (const [i, payload] of payloads.entries()) {
      const sequence = first + BigInt(i);
      const signature = await vault.sign({ type: 'worker-message', destination, payload, sequence });
      const signed = { worker: vault.identity, destination, payload, sequence, signature };
      calls.push({ kind: 'sync-offchain-message', ...signed });
    }
    return this.#chain.submit(calls, bob);
  }

  async send(to: Vault, ...texts: readonly string[]): Promise<{ blockHash: Hex; blockNumber: number }> {
    const payloads: Uint8Array[] = [];
    for (const text of texts) payloads.push(await this.sealed(to, text));
    return this.post(to, ...payloads);
  }
}
