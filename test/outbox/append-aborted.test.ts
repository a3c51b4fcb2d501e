import assert from 'node:assert/strict';
import { RelayError } from '../../src/errors/index.ts';
import { createRelayOutbox, type OffChainCarrier } from '../../src/outbox/index.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryOf, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { contentsIn, queueing } from './queueing.ts';
import { idOf } from './records.ts';

const noCarrier: OffChainCarrier = {
  canReach: () => false,
  carry: () => Promise.reject(new RelayError('aborted')),
};

describe('outbox: messages that wait to be queued', () => {
  it('go on where the first, which would never go, is aborted', async () => {
    const store = openMemoryStore();
    const aborting = new AbortController();
    const { signal } = aborting;
    const first = queueing(store, 'a', { check: () => new Promise(() => undefined), signal });
    const others = ['b', 'c'].map((content) => queueing(store, content));
    await queueing(store, 'to another', { to: idOf(8) });
    aborting.abort();
    await rejected(first, 'aborted');
    await Promise.all(others);
    await rejected(queueing(store, 'd', { signal }), 'aborted');
    assert.deepEqual(await contentsIn(store), ['to another', 'b', 'c']);
  });

  it('are aborted behind others, which go when they may', async () => {
    const store = openMemoryStore();
    const aborting = new AbortController();
    const known = gate();
    const first = queueing(store, 'a', { check: () => known.opened });
    const second = queueing(store, 'b', { signal: aborting.signal });
    const third = queueing(store, 'c');
    await queueing(store, 'to another', { to: idOf(8) });
    aborting.abort();
    await rejected(second, 'aborted');
    known.open();
    await Promise.all([first, third]);
    assert.deepEqual(await contentsIn(store), ['to another', 'a', 'c']);
  });

  it('keep their places where one before them is refused after it was aborted', async () => {
    const store = openMemoryStore();
    const aborting = new AbortController();
    const [refused, known] = [gate(), gate()];
    const first = queueing(store, 'a', { check: () => refused.opened, signal: aborting.signal });
    const others = [queueing(store, 'b', { check: () => known.opened }), queueing(store, 'c')];
    aborting.abort();
    await rejected(first, 'aborted');
    refused.refuse(new RelayError('unknown-recipient'));
    await rejected(refused.opened, 'unknown-recipient');
    known.open();
    await Promise.all(others);
    assert.deepEqual(await contentsIn(store), ['b', 'c']);
  });

  it('by an outbox are all aborted when it stops, where its directory never answers, and none is stored', async () => {
    const store = openMemoryStore();
    const recipient = createMemoryVault();
    const directory = await directoryOf(recipient);
    let isFirst = true;
    const outbox = createRelayOutbox({
      ...{ genesisHash: idOf(1), vault: createMemoryVault(), store, carrier: noCarrier },
      directory: {
        get: (id) => directory.get(id),
        load: () => {
          const hangs = isFirst;
          isFirst = false;
          return hangs ? new Promise(() => undefined) : Promise.resolve();
        },
      },
    });
    const send = () => outbox.send({ to: recipient.identity, body: { kind: 'data', content: utf8('x') } });
    const sent = [send(), send(), send()].map((each) => rejected(each, 'aborted'));
    await queueing(store, 'to another', { to: idOf(8) });
    await outbox.stop();
    await Promise.all(sent);
    assert.equal((await new OutboxStore(store).list(0n, 10)).length, 1);
  });
});

/** What waits until it is opened, or refused. */
function gate() {
  let open: () => void = () => undefined;
  let refuse: (error: RelayError) => void = () => undefined;
  const opened = new Promise<void>((resolve, reject) => {
    [open, refuse] = [resolve, reject];
  });
  return { opened, open, refuse };
}
