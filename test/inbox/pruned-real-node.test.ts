import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { registered, temporaryFolder } from '../support/entities.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

const statePruning = 16;

describeRealNode('inbox: a node that prunes', function () {
  this.timeout(180_000);

  it('names the first and the last block missing and stops, or goes on after them where it may', async () => {
    const folder = await temporaryFolder();
    try {
      await using node = await startRealNode({ blockTimeMs: 200, statePruning });
      await using chain = await connectChain({ endpoints: [node.ws] });
      const [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
      const poster = await Poster.of(chain, sender, recipient);
      const { blockNumber: from } = await poster.send(recipient, 'forgotten');
      await until(async () => (await chain.finalizedHead()).number > from + 3 * statePruning);
      const options = { chain, vault: recipient, from };

      await using stopping = createInbox({ ...options, store: openMemoryStore() });
      await stopping.start();
      const probe = new InboxProbe(stopping);
      const before = (await chain.finalizedHead()).number;
      const error: unknown = await probe.until(() => probe.events.length > 0).catch((reason: unknown) => reason);
      assert.ok(isRelayError(error, 'blocks-missing'), String(error));
      const { first, last } = error.details as { first: number; last: number };
      assert.equal(first, from);
      const now = (await chain.finalizedHead()).number;
      assert.ok(
        last >= from && last >= before - 3 * statePruning && last < now,
        `${last} is the last missing of ${now}`,
      );
      assert.match(error.remedy, /--state-pruning archive/);

      await using skipping = createInbox({ ...options, store: openMemoryStore(), onGap: 'skip' });
      await skipping.start();
      const going = new InboxProbe(skipping);
      await poster.send(recipient, 'after');
      await going.until(() => going.texts.includes('after'));
      assert.ok(!going.texts.includes('forgotten'));
      const [gap] = going.events;
      assert.ok(gap?.type === 'gap' && gap.first === from && gap.last >= from);
    } finally {
      await folder.remove();
    }
  });
});
