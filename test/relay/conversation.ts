import { after, afterEach, before } from 'mocha';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import {
  createRelayClient,
  createReplier,
  createRequester,
  feedFromMailbox,
  serveInbox,
  type InboxService,
  type NodeRelayClientOptions,
  type PeerDirectory,
  type RelayClient,
  type Replier,
  type ReplierOptions,
  type Requester,
  type ServeInboxOptions,
} from '../../src/relay/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault, type Vault } from '../../src/vault/index.ts';
import { Cleanup } from './support.ts';

/** An entity with all that it needs to talk, and a directory that knows it. */
export interface Party {
  readonly vault: Vault;
  readonly store: TransactionalStore;
  readonly client: RelayClient;
}

/** One chain for a suite, and what its tests make on it. */
export class Conversations {
  chain!: Chain;
  readonly peers = new Map<Hex, NonNullable<ReturnType<PeerDirectory['get']>>>();
  readonly #cleanup: Cleanup;
  #stop: () => Promise<void> = async () => undefined;

  constructor(cleanup: Cleanup) {
    this.#cleanup = cleanup;
  }

  async start(): Promise<void> {
    const node = await startDevChain();
    const chain = await connectChain({ endpoints: [node.ws] });
    this.chain = chain;
    this.#stop = async () => {
      await chain.stop();
      await node.stop();
    };
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  get genesisHash(): Hex {
    return this.chain.genesisHash;
  }

  client(options: Partial<NodeRelayClientOptions> = {}): RelayClient {
    const made = createRelayClient({ genesisHash: this.genesisHash, allowPrivate: true, ...options });
    return this.#cleanup.add(made, (client) => client.stop());
  }

  party(client = this.client()): Party {
    const vault = this.#cleanup.add(createMemoryVault(), (made) => made.close());
    return { vault, store: openMemoryStore(), client };
  }

  /** Puts an entity into the directory, with the key that it has now. */
  async register({ vault }: Pick<Party, 'vault'>, endpoints: readonly string[]): Promise<void> {
    const keys = await vault.ecdhKeys();
    const current = keys.find(({ state }) => state === 'current');
    if (current === undefined) throw new Error('no current key');
    const { epoch, publicKey } = current;
    this.peers.set(vault.identity, { current: { epoch, ecdhKey: publicKey, proven: true }, endpoints });
  }

  requester({ vault, store, client }: Party): Requester {
    return createRequester({ vault, store, client, genesisHash: this.genesisHash, directory: this.peers });
  }

  async inbox({ vault, store }: Party, options: Pick<InboxOptions, 'isRegistered'> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain: this.chain, vault, store, ...options });
    this.#cleanup.add(inbox, (made) => made.stop());
    await inbox.start();
    return inbox;
  }

  replier({ vault, store, client }: Party, options: Partial<ReplierOptions> = {}): Replier {
    const { genesisHash, peers: directory } = this;
    const backoff = { firstMs: 5, mostMs: 50 };
    return createReplier({ vault, store, client, genesisHash, directory, backoff, ...options });
  }

  serve(inbox: Inbox, replier: Replier, options: Partial<ServeInboxOptions> = {}): InboxService {
    return this.#cleanup.add(serveInbox({ inbox, replier, ...options }), (made) => made.stop());
  }

  /** Reads the party's mailbox at a relay into its inbox; resolves when it would miss nothing. */
  async feed({ vault, client }: Party, url: string, inbox: Inbox, replier?: Replier): Promise<void> {
    const { genesisHash } = this;
    const local = { identity: vault.identity, vault, accept: inbox.accept.bind(inbox) };
    await new Promise<void>((resolve, reject) => {
      const subscription = feedFromMailbox({ client, genesisHash, url, local }).subscribe({
        next: (event) => {
          if (event.type === 'ready') resolve();
          if (event.type === 'accepted') replier?.cameBy(event.messageId, url);
        },
        error: reject,
      });
      this.#cleanup.add(subscription, (made) => {
        made.unsubscribe();
      });
    });
  }

  /** What a party's inbox hands out, in order; resolves when it would miss nothing. */
  async texts(party: Party, url: string): Promise<readonly string[]> {
    const texts: string[] = [];
    const inbox = await this.inbox(party);
    await this.feed(party, url, inbox);
    const subscription = inbox.events$.subscribe((event) => {
      if (event.type !== 'message' || event.delivery.body.kind !== 'data') return;
      texts.push(new TextDecoder().decode(event.delivery.body.content));
      void event.delivery.ack();
    });
    this.#cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    return texts;
  }
}

/** For a suite: conversations on one chain, and what ends a test's own things after it. */
export function useConversations(): { readonly talk: Conversations; readonly cleanup: Cleanup } {
  const cleanup = new Cleanup();
  const talk = new Conversations(cleanup);
  before(() => talk.start());
  after(() => talk.stop());
  afterEach(async () => {
    await cleanup.run();
    talk.peers.clear();
  });
  return { talk, cleanup };
}
