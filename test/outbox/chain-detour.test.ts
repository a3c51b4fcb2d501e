import assert from 'node:assert/strict';
import { RelayError } from '../../src/errors/index.ts';
import type { Account } from '../../src/chain/index.ts';
import { createOutbox, openOutboxQueue, type OffChainCarrier, type Outbox } from '../../src/outbox/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, directoryOf, utf8 } from '../support/entities.ts';
import { Lives } from '../support/simulation/lives.ts';
import { simulatedEra } from '../support/simulation/simulated-chain.ts';

describe('outbox: what has left for the chain, started again without an account', () => {
  let lives: Lives;
  let outbox: Outbox;
  let account: Account | undefined;
  let isRelayAway: boolean;
  const recipient = createMemoryVault();

  beforeEach(async () => {
    const vault = createMemoryVault();
    const directory = await directoryOf(recipient);
    const carrier: OffChainCarrier = {
      canReach: () => true,
      carry: () =>
        isRelayAway
          ? Promise.reject(new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'test' } }))
          : Promise.resolve({ endpoint: 'ws://relay.example', status: 'stored' }),
    };
    account = alice;
    isRelayAway = true;
    lives = new Lives(undefined, ({ chain, store }) => {
      outbox = createOutbox({ chain, store, vault, directory, carrier, ...(account === undefined ? {} : { account }) });
      void outbox.start();
    });
    await lives.start();
  });

  afterEach(() => {
    lives.end();
  });

  const send = async (): Promise<void> => {
    void outbox.send({ to: recipient.identity, body: { kind: 'data', content: utf8('hello') } }).catch(() => undefined);
    await lives.settle();
  };
  const states = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { status } of openOutboxQueue(lives.disk).entries()) found.push(status.state);
    return found;
  };
  const startWithoutAccount = async (): Promise<void> => {
    account = undefined;
    isRelayAway = false;
    await lives.kill();
  };

  it('goes off chain once the extrinsic that carried it can not come in any more', async () => {
    await send();
    assert.deepEqual([await states(), lives.chain.pool.size], [['submitted'], 1]);
    lives.chain.pool.clear();
    await startWithoutAccount();
    assert.deepEqual(await states(), ['submitted']);
    for (let n = 0; n <= 2 * simulatedEra; n++) {
      await lives.build(true);
      await lives.finalize(0);
    }
    assert.deepEqual(await states(), ['relayed']);
  });

  for (const by of ['this process', 'another'] as const)
    it(`goes off chain where it had failed with its signature kept and ${by} retries it`, async () => {
      lives.line.refuses = 'extrinsic-rejected';
      await send();
      await startWithoutAccount();
      assert.deepEqual(await states(), ['failed']);
      if (by === 'another') await openOutboxQueue(lives.disk).retry(0n);
      else await outbox.retry(0n);
      outbox.tryAgain();
      await lives.settle();
      assert.deepEqual(await states(), ['relayed']);
    });
});
