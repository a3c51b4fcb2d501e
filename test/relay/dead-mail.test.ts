import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { sealMessage } from '../../src/channel/index.ts';
import { decodeSignedEnvelope, encodeForwarded } from '../../src/codec/index.ts';
import { openInboxFiles } from '../../src/inbox/index.ts';
import { signMessage } from '../../src/relay/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { newVault, reopen } from '../support/vaults.ts';
import { useConversations, type Party } from './conversation.ts';

describe('relay: mail that its recipient can not open', () => {
  const { cleanup, talk } = useConversations();

  /** A worker whose vault is the copy of one that has rotated since, and that vault. */
  const restored = async (): Promise<{ worker: Party; newer: Vault }> => {
    const folder = await cleanup.folder();
    const [path, copy] = [join(folder, 'vault'), join(folder, 'copy')];
    await (await newVault(path)).close();
    await copyFile(path, copy);
    const newer = cleanup.add(await reopen(path), (vault) => vault.close());
    await newer.activate((await newer.rotate()).epoch);
    const vault = cleanup.add(await reopen(copy), (made) => made.close());
    return { worker: { ...talk.party(), vault }, newer };
  };
  /** Signed, and sealed to the key that `newer` has now. */
  const sealed = async (newer: Vault, text: string): Promise<Uint8Array> => {
    const { vault, store } = talk.party();
    const { genesisHash, peers: directory } = talk;
    await talk.register({ vault: newer }, []);
    const body = { kind: 'data', content: utf8(text) } as const;
    const { envelope } = await sealMessage({ vault, store, genesisHash, directory }, { to: newer.identity, body });
    return signMessage(vault, genesisHash, envelope);
  };

  it('out of a mailbox: it is a dead letter when the relay forgets it, and is delivered when it opens', async () => {
    const { worker, newer } = await restored();
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [newer.identity] });
    const inbox = await talk.inbox(worker);
    const probe = new InboxProbe(inbox);
    for (const text of ['first', 'second']) await worker.client.send(await sealed(newer, text), [relay.url]);
    await talk.feed(worker, relay.url, inbox);
    await until(async () => (await relay.mailStore.stats(newer.identity)).count === 0);
    assert.deepEqual(
      (await deadLettersOf(worker.store)).map(({ code, block, retries }) => [code, block, retries]),
      [
        ['unknown-epoch', undefined, 0],
        ['unknown-epoch', undefined, 0],
      ],
    );
    await probe.until(() => probe.events.filter(({ type }) => type === 'dead').length === 2);
    await inbox.stop();
    const outcomes = (await (await openInboxFiles(worker.store)).retry(newer)).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ['accepted', 'accepted']);
    const later = new InboxProbe(await talk.inbox({ ...worker, vault: newer }));
    await later.until(() => later.deliveries.length === 2);
    assert.deepEqual(later.texts, ['first', 'second']);
    assert.deepEqual(await deadLettersOf(worker.store), []);
  });

  it('given again by a relay that was not told: it is one dead letter', async () => {
    const { worker, newer } = await restored();
    const inbox = await talk.inbox(worker);
    const { envelope } = decodeSignedEnvelope(await sealed(newer, 'once'));
    const accept = () => inbox.accept(envelope, { skipClockCheck: true, keepDead: true });
    assert.deepEqual(await Promise.all([accept(), accept()]), ['dead', 'duplicate']);
    assert.equal(await accept(), 'duplicate');
    const [letter, ...more] = await deadLettersOf(worker.store);
    assert.deepEqual(more, []);
    const files = await openInboxFiles(worker.store);
    assert.deepEqual(await files.discard([letter?.sequence ?? -1n]), [letter?.sequence]);
    assert.equal(await accept(), 'dead');
  });

  it('at its own relay: who sends it is told, and what another relay took is a dead letter', async () => {
    const { worker, newer } = await restored();
    const inbox = await talk.inbox(worker);
    const local = { identity: newer.identity, vault: worker.vault, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [], local });
    const post = async (path: string, body: Uint8Array): Promise<number> => {
      const headers = { 'content-type': 'application/octet-stream' };
      const answer = await fetch(relay.url + path, { method: 'POST', headers, body: Uint8Array.from(body) });
      return answer.status;
    };
    const direct = await sealed(newer, 'straight');
    assert.ok((await post('/v1/messages', direct)) >= 400);
    assert.deepEqual(await deadLettersOf(worker.store), []);
    const signedEnvelope = await sealed(newer, 'by another relay');
    const forwarded = encodeForwarded({ hops: 1, signedEnvelope });
    assert.equal(await post('/v1/forward', forwarded), 200);
    assert.equal(await post('/v1/forward', forwarded), 200);
    assert.deepEqual(
      (await deadLettersOf(worker.store)).map(({ code }) => code),
      ['unknown-epoch'],
    );
  });
});
