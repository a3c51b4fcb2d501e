import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { handleAll } from '../../src/inbox/handle.ts';
import { createInbox, type Delivery, type InboxEvent } from '../../src/inbox/index.ts';
import { openLmdbStore, openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

/** A promise, and what resolves it. */
function gate(): { readonly isOpen: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const isOpen = new Promise<void>((resolve) => (open = resolve));
  return { isOpen, open };
}

/** Everything that is ready to go on has gone on. */
const turns = async (): Promise<void> => {
  for (let n = 0; n < 5; n++) await new Promise(setImmediate);
};

describe('inbox: handlers that run when handle ends', () => {
  const text = ({ body }: Delivery): string =>
    body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;

  /** Deliveries of senders `a` and `b`, and what becomes of them. */
  function bed() {
    const log: string[] = [];
    const events = new Subject<InboxEvent>();
    const slow = gate();
    const acking = gate();
    const stop = new AbortController();
    const deliver = (from: string, name: string): void => {
      const ack = async (): Promise<void> => {
        await acking.isOpen;
        log.push(`acknowledged ${name}`);
      };
      const delivery = { messageId: name, fromKind: 'worker', from, ack } as unknown as Delivery;
      events.next({ type: 'message', delivery });
    };
    const handler = async ({ messageId }: Delivery): Promise<void> => {
      log.push(`begun ${messageId}`);
      if (messageId.endsWith('last')) stop.abort();
      if (messageId.startsWith('slow')) await slow.isOpen;
      if (messageId.endsWith('fails')) throw new Error('not today');
    };
    const onEvent = ({ type }: InboxEvent): void => {
      log.push(type);
    };
    const handled = handleAll(events, handler, { concurrency: 2, onEvent, signal: stop.signal }).then(
      () => log.push('resolved'),
      (error: unknown) => log.push(error instanceof RelayError ? error.code : 'no RelayError'),
    );
    return { log, events, slow, acking, stop, deliver, handled };
  }

  it('are waited for and acknowledged where the signal fires, and no other begins', async () => {
    const { log, events, slow, acking, stop, deliver, handled } = bed();
    deliver('a', 'slow');
    deliver('a', 'next');
    stop.abort();
    deliver('b', 'later');
    // Of what runs it is told still: nobody else will hear it once that is acknowledged.
    events.next({ type: 'finalized', messageId: 'slow' as `0x${string}`, proven: true });
    await turns();
    assert.deepEqual([log, events.observed], [['begun slow'], true]);
    slow.open();
    await turns();
    assert.deepEqual([log, events.observed], [['begun slow', 'finalized'], true]);
    acking.open();
    await handled;
    assert.deepEqual([log, events.observed], [['begun slow', 'finalized', 'acknowledged slow', 'resolved'], false]);
  });

  it('are waited for and acknowledged where another fails, or the stream is over', async () => {
    for (const end of ['handler-failed', 'store-failed', 'resolved']) {
      const { log, events, slow, acking, deliver, handled } = bed();
      acking.open();
      deliver('a', 'slow');
      if (end === 'handler-failed') deliver('b', 'fails');
      if (end === 'store-failed') events.error(new RelayError('store-failed', { details: { reason: 'full' } }));
      if (end === 'resolved') events.complete();
      await turns();
      deliver('b', 'later');
      slow.open();
      await handled;
      assert.deepEqual(
        log.filter((line) => line !== 'begun fails'),
        ['begun slow', 'acknowledged slow', end],
      );
    }
  });

  it('and fail are told of, and not acknowledged', async () => {
    const { log, slow, acking, stop, deliver, handled } = bed();
    acking.open();
    deliver('a', 'slow, fails');
    stop.abort();
    slow.open();
    await handled;
    assert.deepEqual(log, ['begun slow, fails', 'handler-failed']);
  });

  it('and end it themselves are acknowledged before it is over', async () => {
    const { log, acking, deliver, handled } = bed();
    deliver('a', 'last');
    deliver('b', 'later');
    await turns();
    assert.deepEqual(log, ['begun last']);
    acking.open();
    await handled;
    assert.deepEqual(log, ['begun last', 'acknowledged last', 'resolved']);
  });

  describe('of an inbox', () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let dev: DevChain;
    let chain: Chain;
    before(async () => {
      folder = await temporaryFolder();
      dev = await startDevChain();
      chain = await connectChain({ endpoints: [dev.ws] });
    });
    after(async () => {
      await chain.stop();
      await dev.stop();
      await folder.remove();
    });

    it('do their work once where it is ended in order', async () => {
      const vault = createMemoryVault();
      const poster = await Poster.of(chain, createMemoryVault(), vault);
      const path = join(folder.path, 'store');
      let store = await openLmdbStore({ path });
      let inbox = createInbox({ chain, vault, store });
      await inbox.start();
      await inbox.ready;
      const [slow, stop] = [gate(), new AbortController()];
      const done: string[] = [];
      let isBegun = false;
      const handled = inbox.handle(
        async (delivery) => {
          isBegun = true;
          await slow.isOpen;
          done.push(text(delivery));
        },
        { signal: stop.signal },
      );
      await poster.send(vault, 'job');
      await until(() => isBegun);
      stop.abort();
      const ended = handled.then(() => inbox.stop()).then(() => store.close());
      await turns();
      slow.open();
      await ended;
      assert.deepEqual(done, ['job']);
      store = await openLmdbStore({ path });
      inbox = createInbox({ chain, vault, store });
      const probe = new InboxProbe(inbox);
      await inbox.start();
      await poster.send(vault, 'another');
      await probe.until(() => probe.texts.includes('another'));
      assert.deepEqual(probe.texts, ['another']);
      await inbox.stop();
      await store.close();
    });

    it('are none where the inbox does not start: handle ends with the reason', async () => {
      const inbox = createInbox({ chain, vault: createMemoryVault(), store: openMemoryStore(), from: 1_000_000 });
      const handled = rejected(
        inbox.handle(() => undefined),
        'bad-value',
      );
      await rejected(inbox.start(), 'bad-value');
      await handled;
      await rejected(inbox.ready, 'bad-value');
      await rejected(
        inbox.handle(() => undefined),
        'bad-value',
      );
      await inbox.stop();
    });
  });
});
