import assert from 'node:assert/strict';
import { join } from 'node:path';
import { EMPTY } from 'rxjs';
import { sealMessage } from '../../src/channel/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { feedFromMailbox, signMessage, type MailboxEvent, type RelayClient } from '../../src/relay/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openVault, resealVault, type Vault } from '../../src/vault/index.ts';
import { utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { cheap, newVault, passphrase } from '../support/vaults.ts';
import { useConversations, type Party } from './conversation.ts';

describe('relay: mail of a recipient whose vault was sealed anew', () => {
  const { cleanup, talk } = useConversations();

  /** A worker that runs on with the keys in its memory, and its vault as another process has it. */
  const resealed = async (): Promise<{ worker: Party; anew: Vault }> => {
    const path = join(await cleanup.folder(), 'vault');
    const vault = cleanup.add(await newVault(path), (made) => made.close());
    await talk.register({ vault }, []);
    await resealVault({ path, passphrase, next: { passphrase: 'another', cost: cheap } });
    const anew = cleanup.add(await openVault({ path, passphrase: 'another' }), (made) => made.close());
    return { worker: { ...talk.party(), vault }, anew };
  };
  const signed = async (to: Vault, text: string): Promise<Uint8Array> => {
    const { vault, store } = talk.party();
    const { genesisHash, peers: directory } = talk;
    const body = { kind: 'data', content: utf8(text) } as const;
    const { envelope } = await sealMessage({ vault, store, genesisHash, directory }, { to: to.identity, body });
    return signMessage(vault, genesisHash, envelope);
  };

  it('is kept when the relay forgets it, and comes once the vault opens it', async () => {
    const { worker, anew } = await resealed();
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [anew.identity] });
    await worker.client.send(await signed(anew, 'before'), [relay.url]);
    await anew.activate((await anew.rotate()).epoch);
    await talk.register({ vault: anew }, []);
    await worker.client.send(await signed(anew, 'since'), [relay.url]);
    const inbox = await talk.inbox(worker);
    const probe = new InboxProbe(inbox);
    await talk.feed(worker, relay.url, inbox);
    await until(async () => (await relay.mailStore.stats(anew.identity)).count === 0);
    await probe.until(() => probe.events.length === 2);
    assert.deepEqual(probe.texts, ['before']);
    assert.deepEqual(
      (await deadLettersOf(worker.store)).map(({ code }) => code),
      ['vault-resealed'],
    );
    await inbox.stop();
    const later = new InboxProbe(await talk.inbox({ ...worker, vault: anew }));
    await later.until(() => later.deliveries.length === 1);
    assert.deepEqual(later.texts, ['since']);
    assert.deepEqual(await deadLettersOf(worker.store), []);
  });

  it('stays with the relay where there is no room for it, and is taken once there is', async () => {
    const { worker } = await resealed();
    const { vault, client } = worker;
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [vault.identity] });
    for (const text of ['no room', 'behind it']) await client.send(await signed(vault, text), [relay.url]);
    const events: MailboxEvent[] = [];
    let first: Hex | undefined;
    let hasRoom = false;
    const accept = async (envelope: Uint8Array) => {
      first ??= toHex(envelope);
      if (!hasRoom && toHex(envelope) === first) throw new RelayError('vault-resealed', { details: { path: 'vault' } });
      return 'accepted' as const;
    };
    const local = { identity: vault.identity, vault, accept };
    const feed = feedFromMailbox({ client, genesisHash: talk.genesisHash, url: relay.url, local });
    cleanup.add(
      feed.subscribe((event) => events.push(event)),
      (made) => {
        made.unsubscribe();
      },
    );
    const types = () => events.map((event) => (event.type === 'held' ? event.error.code : event.type));
    await until(() => events.length === 3);
    assert.deepEqual(types(), ['ready', 'vault-resealed', 'accepted']);
    // It would come again to another connection, with what is behind it.
    assert.equal((await relay.mailStore.stats(vault.identity)).count, 2);
    hasRoom = true;
    await until(async () => (await relay.mailStore.stats(vault.identity)).count === 0);
    assert.deepEqual(types(), ['ready', 'vault-resealed', 'accepted', 'accepted']);
  });

  it('is looked for as long as the relay is read, and no longer', async () => {
    const { vault } = talk.party();
    const client = { receive: () => EMPTY } as unknown as RelayClient;
    const local = { identity: vault.identity, vault, accept: () => Promise.reject(new Error('there is none')) };
    const feed = feedFromMailbox({ client, genesisHash: talk.genesisHash, url: 'http://relay', local });
    await new Promise<void>((resolve, reject) => feed.subscribe({ complete: resolve, error: reject }));
  });
});
