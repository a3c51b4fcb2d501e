import type { Chain } from '../../src/chain/index.ts';
import { messageId } from '../../src/codec/index.ts';
import type { SignedFacts } from '../../src/outbox/posted-search.ts';
import type { Vault } from '../../src/vault/index.ts';
import { utf8 } from '../support/entities.ts';

/** What a worker signs for its next sequence, and what is searched for then. */
export class SignedPosts {
  readonly #chain: Chain;
  readonly #worker: Vault;

  constructor(chain: Chain, worker: Vault) {
    this.#chain = chain;
    this.#worker = worker;
  }

  async present() {
    return { finalized: await this.#chain.finalizedHead(), best: await this.#chain.bestHead() };
  }

  async facts(text: string): Promise<SignedFacts> {
    const { finalized, best } = await this.present();
    return {
      messageId: messageId({ genesisHash: this.#chain.genesisHash, envelope: utf8(text) }),
      destination: utf8('elsewhere'),
      sequence: await this.#chain.at(best.hash).ingressSequence(this.#worker.identity),
      since: finalized.number,
      isCommand: false,
    };
  }

  async callOf({ destination, sequence }: Pick<SignedFacts, 'destination' | 'sequence'>, text: string) {
    const message = { destination, payload: utf8(text), sequence };
    const signature = await this.#worker.sign({ type: 'worker-message', ...message });
    return { kind: 'sync-offchain-message', worker: this.#worker.identity, ...message, signature } as const;
  }
}
