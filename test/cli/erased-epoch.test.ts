import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { registerEntity } from '../../src/presence/index.ts';
import { alice } from '../support/entities.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { newVault, passphrase } from '../support/vaults.ts';
import { runCli, RunningCli } from './run-cli.ts';

describe('khala-relay send to an erased epoch', function () {
  this.timeout(120_000);
  const folder = useTempDir();

  it('takes the newer key from the answer, proven, sends again, and remembers it', async () => {
    await using dev = await startDevChain();
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const url = 'http://127.0.0.1:18714';
    const [a, b] = [await newVault(folder('a')), await newVault(folder('b'))];
    await registerEntity({ chain, vault: a, account: alice });
    await registerEntity({ chain, vault: b, account: alice }, [url]);
    // The chain still shows epoch 0, which is gone.
    await b.activate((await b.rotate()).epoch);
    assert.deepEqual(await b.erase({ retiredBefore: Date.now() }), [0]);
    const { identity } = b;
    await Promise.all([a.close(), b.close()]);

    const env = { KHALA_RELAY_PASSPHRASE: passphrase, KHALA_RELAY_WS: dev.ws };
    await using relay = new RunningCli(['serve', '--vault', folder('b'), '--listen', '127.0.0.1:18714'], env);
    await relay.line(({ event }) => event === 'ready');
    for (const text of ['first', 'second']) {
      const sent = await runCli(['send', '--vault', folder('a'), '--to', identity, text, '--json'], { env });
      assert.deepEqual([sent.code, sent.lines[0]?.['status']], [0, 'delivered'], sent.stderr);
      const got = await relay.line((line) => line['event'] === 'message' && line['text'] === text);
      assert.equal(got['messageId'], sent.lines[0]?.['messageId']);
    }
    assert.equal(relay.lines.filter(({ event }) => event === 'message').length, 2);
  });
});
