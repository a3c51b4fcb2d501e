import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { RelayError } from '../../src/errors/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { serveInbox, type Replier } from '../../src/relay/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { Life } from '../support/simulation/life.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';
import { until } from '../support/until.ts';
import { bob, entity, genesisHash, sealedMessage } from './support.ts';

describe('a worker that answers', () => {
  it('handles the message of a ninth asker at once, where the answers to all of eight that are registered hang', async () => {
    const chain = Object.assign(connectTo(new SimulatedChain(), new Life()), { genesisHash });
    const vault = createMemoryVault({ identity: bob.keys, ecdh: bob.keys });
    await using inbox = createInbox({ chain, vault, store: openMemoryStore(), isRegistered: () => true });
    let giveUp: () => void = () => undefined;
    const hanging = new Promise<never>((_, reject) => (giveUp = () => reject(new RelayError('aborted'))));
    hanging.catch(() => undefined);
    const replier: Replier = { reply: () => hanging, cameBy: () => undefined };
    const handled: string[] = [];
    await using _service = serveInbox({
      ...{ inbox, replier, acknowledgeReads: true },
      onMessage: ({ from }) => {
        handled.push(from);
        return undefined;
      },
      onError: (error) => assert.equal(error.code, 'reply-undelivered'),
    });
    // Before the service, which waits for its answers.
    using _ = { [Symbol.dispose]: giveUp };
    await inbox.start();
    const eight = Array.from({ length: 8 }, (_, n) => entity(`asker ${n}`));
    await Promise.all(
      eight.flatMap((from) =>
        Array.from({ length: 128 }, (_, n) => inbox.accept(sealedMessage(from, bob, `message ${n}`).envelope)),
      ),
    );
    const ninth = entity('ninth');
    await inbox.accept(sealedMessage(ninth, bob, 'the only one').envelope);
    await until(() => handled.includes(ninth.identity));
    assert.ok(handled.length < 8 * 128);
  });
});
