import type { Chain } from '../../src/chain/index.ts';
import { sealMessage, type Sender } from '../../src/channel/index.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, utf8 } from '../support/entities.ts';

/** Seals to entities and posts as Alice's account. */
export class Poster {
  readonly #chain: Chain;
  readonly #sending: Sender;

  private constructor(chain: Chain, sending: Sender) {
    this.#chain = chain;
    this.#sending = sending;
  }

  static async of(chain: Chain, sender: Vault, ...recipients: readonly Vault[]): Promise<Poster> {
    const directory = await directoryOf(...recipients);
    return new Poster(chain, { vault: sender, genesisHash: chain.genesisHash, store: openMemoryStore(), directory });
  }

  async sealed(to: Vault, text: string, nonce?: bigint): Promise<Uint8Array> {
    const body = { kind: 'data', content: utf8(text) } as const;
    const outgoing = { to: to.identity, body, account: alice.id, ...(nonce === undefined ? {} : { nonce }) };
    return (await sealMessage(this.#sending, outgoing)).envelope;
  }

  /** All in one block. */
  async post(to: Vault, ...payloads: readonly Uint8Array[]): Promise<{ blockHash: Hex; blockNumber: number }> {
    const destination = topicOf(to.identity);
    return this.#chain.submit(
      payloads.map((payload) => ({ kind: 'push-message', destination, payload })),
      alice,
    );
  }

  async send(to: Vault, ...texts: readonly string[]): Promise<{ blockHash: Hex; blockNumber: number }> {
    const payloads: Uint8Array[] = [];
    for (const text of texts) payloads.push(await this.sealed(to, text));
    return this.post(to, ...payloads);
  }
}
