import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { createCarrier, createRelayClient } from '../../src/relay/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { alice, utf8 } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli } from './run-cli.ts';

describe('cli: serve --vault, a message that comes off chain and on chain', () => {
  const { dev, path } = useDevChainAndFolder();

  for (const [first, second] of [
    ['relay', 'chain'],
    ['chain', 'relay'],
  ] as const)
    it(`is printed once where it comes by ${first} before it comes by ${second}`, async () => {
      const [from, at] = [`${first}-a`, `${first}-b`];
      const port = await freePort();
      await makeVault(path(from));
      const to = await makeVault(path(at));
      await register(dev.ws, path(from));
      await register(dev.ws, path(at), `http://127.0.0.1:${port}`);
      await using serving = new RunningCli([
        'serve',
        '--ws',
        dev.ws,
        '--vault',
        path(at),
        '--listen',
        `127.0.0.1:${port}`,
      ]);
      await serving.line(({ event }) => event === 'ready');

      await using chain = await connectChain({ endpoints: [dev.ws] });
      const vault = await openVault({ path: path(from), passphrase: 'correct horse' });
      const watch = watchWorkerState(chain);
      await watch.ready;
      await using client = createRelayClient({ genesisHash: chain.genesisHash, allowPrivate: true });
      const carrier = createCarrier({ client, directory: watch.state, allowPrivate: true });
      const store = openMemoryStore();
      await using outbox = createOutbox({ chain, vault, store, directory: watch.state, account: alice, carrier });
      await outbox.start();
      const message = (text: string) => ({ to, body: { kind: 'data', content: utf8(text) } }) as const;
      const sent = await outbox.send({ ...message('both ways'), via: first });
      await sent.reached('finalized');
      await (await outbox.send({ ...message('both ways'), via: second, nonce: sent.nonce })).reached('finalized');
      await (await outbox.send({ ...message('after it'), via: second })).reached('finalized');
      await serving.line(({ text }) => text === 'after it');
      const printed = serving.lines.filter(({ event }) => event === 'message');
      assert.deepEqual(
        printed.map(({ text, via }) => [text, via]),
        [
          ['both ways', first],
          ['after it', second],
        ],
      );
      await watch.stop();
      await vault.close();
    });
});
