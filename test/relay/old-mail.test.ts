import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { sealMessage } from '../../src/channel/index.ts';
import { encodeForwarded } from '../../src/codec/index.ts';
import { signMessage } from '../../src/relay/index.ts';
import { utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { useConversations, type Party } from './conversation.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

describe('relay: mail that waited for its recipient', () => {
  const { cleanup, talk } = useConversations();

  /** Sealed and signed so long ago. */
  const sent = async ({ vault: { identity: to } }: Party, text: string, agoMs: number) => {
    const { vault, store } = talk.party();
    const { genesisHash, peers: directory } = talk;
    const now = () => Date.now() - agoMs;
    const body = { kind: 'data', content: utf8(text) } as const;
    const { envelope, messageId } = await sealMessage({ vault, store, genesisHash, directory, now }, { to, body });
    return { messageId, bytes: await signMessage(vault, genesisHash, envelope) };
  };
  const worker = async (): Promise<Party> => {
    const made = talk.party();
    await talk.register(made, []);
    return made;
  };

  it('is delivered out of a mailbox as long as its retention lasts, and what is older is a dead letter', async () => {
    const bob = await worker();
    const { identity } = bob.vault;
    const { mailStore, url } = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [identity] });
    for (const [text, days] of [
      ['too old', 31],
      ['a month old', 29],
      ['of the day before', 1],
    ] as const) {
      const { messageId, bytes } = await sent(bob, text, days * dayMs);
      await mailStore.append(identity, messageId, bytes);
    }
    const inbox = await talk.inbox(bob);
    const probe = new InboxProbe(inbox);
    await talk.feed(bob, url, inbox);
    await until(async () => (await mailStore.stats(identity)).count === 0);
    await probe.until(() => probe.deliveries.length === 2);
    assert.deepEqual(probe.texts, ['a month old', 'of the day before']);
    assert.deepEqual(
      (await deadLettersOf(bob.store)).map(({ code }) => code),
      ['clock-skew'],
    );
  });

  it('at another relay is taken by the relay that is its own recipient, and from its sender it is not', async () => {
    const bob = await worker();
    const { vault } = bob;
    const inbox = await talk.inbox(bob);
    const probe = new InboxProbe(inbox);
    const local = { identity: vault.identity, vault, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [], local });
    const post = async (path: string, body: Uint8Array): Promise<string> => {
      const headers = { 'content-type': 'application/octet-stream' };
      const answer = await fetch(relay.url + path, { method: 'POST', headers, body: Uint8Array.from(body) });
      const { status, code } = (await answer.json()) as { readonly status: unknown; readonly code?: string };
      return `${answer.status} ${code ?? String(status)}`;
    };
    const { bytes } = await sent(bob, 'of the day before', 23 * hourMs);
    assert.equal(await post('/v1/messages', bytes), '422 clock-skew');
    assert.equal(await post('/v1/forward', encodeForwarded({ hops: 1, signedEnvelope: bytes })), '200 delivered');
    await probe.until(() => probe.deliveries.length === 1);
    assert.deepEqual(probe.texts, ['of the day before']);
    assert.deepEqual(await deadLettersOf(bob.store), []);
  });
});
