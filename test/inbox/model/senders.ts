import { sealMessage } from '../../../src/channel/index.ts';
import type { Account, MessageSender } from '../../../src/chain/index.ts';
import { equalBytes, topicOf, type Hex } from '../../../src/codec/index.ts';
import { openMemoryStore } from '../../../src/store/index.ts';
import { createMemoryVault, type Vault } from '../../../src/vault/index.ts';
import type { SenderEntry } from '../../soak/ledger.ts';
import { nameOf } from '../../soak/postings.ts';
import type { PostedMessage } from '../../soak/truth.ts';
import type { SenderRecord } from '../../soak/verdict.ts';
import { alice, bob, directoryOf } from '../../support/entities.ts';
import type { SimulatedChain } from '../../support/simulation/simulated-chain.ts';
import { nonceIn } from './headers.ts';

export type Kind = 'worker' | 'account';

export interface Sealed {
  readonly kind: Kind;
  readonly envelope: Uint8Array;
  readonly text: string;
}

/** A worker and an account that send to one recipient, and who else posts of what they sealed. */
export class Senders {
  /** In the order in which they were sealed. */
  readonly sealed: Sealed[] = [];
  readonly #chain: SimulatedChain;
  readonly #recipient: Vault;
  readonly #store = openMemoryStore();
  readonly #worker = createMemoryVault();
  readonly #account: Account = alice;
  /** Texts of what the recipient took off chain. */
  readonly #taken = new Set<string>();

  constructor(chain: SimulatedChain, recipient: Vault) {
    this.#chain = chain;
    this.#recipient = recipient;
  }

  async seal(kind: Kind): Promise<Sealed> {
    const text = `${kind} ${this.sealed.length}`;
    const sealed = { kind, text, envelope: await this.#seal(kind, text) };
    this.sealed.push(sealed);
    return sealed;
  }

  /** The same message with the same nonce, of other bytes. */
  sealAnew({ kind, text, envelope }: Sealed): Promise<Uint8Array> {
    return this.#seal(kind, text, nonceIn(envelope));
  }

  async #seal(kind: Kind, text: string, nonce?: bigint): Promise<Uint8Array> {
    const { envelope } = await sealMessage(
      {
        vault: this.#worker,
        genesisHash: this.#chain.genesisHash,
        store: this.#store,
        directory: await directoryOf(this.#recipient),
      },
      {
        to: this.#recipient.identity,
        body: { kind: 'data', content: new TextEncoder().encode(text) },
        ...(kind === 'account' ? { account: this.#account.id } : {}),
        ...(nonce === undefined ? {} : { nonce }),
      },
    );
    return envelope;
  }

  post({ envelope, kind }: Pick<Sealed, 'envelope' | 'kind'>): void {
    const id = kind === 'account' ? this.#account.id : this.#worker.identity;
    this.#postAs({ kind, id }, envelope);
  }

  /** Another account, another worker, and a contract of the id that the message names. */
  postAsOthers(envelope: Uint8Array): void {
    this.#postAs({ kind: 'account', id: bob.id }, envelope);
    this.#postAs({ kind: 'worker', id: bob.id }, envelope);
    this.#postAs({ kind: 'other', name: `contract ${this.#account.id}` }, envelope);
  }

  /** Posts a message another time, as its sender and as others, and garbage. */
  postAgain(envelope: Uint8Array): void {
    this.postAsOthers(envelope);
    this.post({ envelope, kind: 'account' });
    this.post({ envelope, kind: 'worker' });
    this.post({ envelope: envelope.slice(0, -1), kind: 'account' });
  }

  /** Straight into the pool: how it gets there is the outbox's part. */
  #postAs(sender: MessageSender, payload: Uint8Array): void {
    this.#chain.pass(sender, { destination: topicOf(this.#recipient.identity), payload });
  }

  /** The recipient said that it has what came off chain. */
  taken({ text }: Sealed): void {
    this.#taken.add(text);
  }

  /** undefined: nobody sealed it. */
  textOf(envelope: Uint8Array): string | undefined {
    return this.sealed.find((sealed) => equalBytes(sealed.envelope, envelope))?.text;
  }

  /** What is among those posted must arrive, and what was taken off chain; but for what may be lost. */
  records(posted: readonly PostedMessage[], mayBeLost: (envelope: Uint8Array) => boolean): SenderRecord[] {
    return (['worker', 'account'] as const).map((kind) => ({
      id: this.#nameOf(kind),
      entries: this.#entries(kind, posted, mayBeLost),
    }));
  }

  #entries(kind: Kind, posted: readonly PostedMessage[], mayBeLost: (envelope: Uint8Array) => boolean): SenderEntry[] {
    // Their order is the one that they have on the chain.
    const places = new Map(posted.map((message, place) => [nameOf(message), place] as const).reverse());
    const own = this.sealed
      .filter((sealed) => sealed.kind === kind)
      .map(({ text, envelope }) => {
        const nonce = nonceIn(envelope);
        return {
          text,
          nonce,
          mayBeLost: mayBeLost(envelope),
          place: places.get(nameOf({ sender: this.#nameOf(kind), to: this.#to, nonce })),
        };
      });
    const inOrder = [...own].sort((a, b) => (a.place ?? posted.length) - (b.place ?? posted.length));
    const meant = inOrder.map(({ text }) => ({ event: 'meant', to: this.#to, text }) as const);
    const queued = own.filter(
      ({ text, place, mayBeLost }) => !mayBeLost && (place !== undefined || this.#taken.has(text)),
    );
    return [...meant, ...queued.map(({ text, nonce }) => ({ event: 'queued', text, nonce: String(nonce) }) as const)];
  }

  #nameOf(kind: Kind): string {
    return kind === 'worker' ? `worker ${this.#worker.identity}` : `account ${this.#account.id}`;
  }

  get #to(): Hex {
    return this.#recipient.identity;
  }
}
