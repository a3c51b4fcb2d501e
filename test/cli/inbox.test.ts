import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import { chainFolder } from '../../src/cli/session.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openLmdbStore, openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault, openVault } from '../../src/vault/index.ts';
import { alice, directoryOf, temporaryFolder, utf8 } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { makeVault } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

describe('cli: inbox', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let vault: string;
  let identity: Hex;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    vault = join(folder.path, 'b');
    identity = await makeVault(vault);
  });

  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  async function inbox(...args: readonly string[]): Promise<readonly Line[]> {
    const { code, lines, stderr } = await runCli(['inbox', ...args, '--vault', vault, '--json']);
    assert.equal(code, 0, stderr);
    return lines;
  }

  it('says where there is nothing yet', async () => {
    const { code, stderr } = await runCli(['inbox', 'ls', '--vault', vault]);
    assert.equal(code, 2);
    assert.match(stderr, /There are no data/);
  });

  it('shows how far the chain was read, and lists, retries and discards what could not be delivered', async () => {
    await using chain = await connectChain({ endpoints: [dev.ws] });
    await using listen = new RunningCli(['listen', '--vault', vault, '--ws', dev.ws]);
    await listen.line(({ event }) => event === 'ready');
    const push = { kind: 'push-message', destination: topicOf(identity) } as const;
    const { blockNumber } = await chain.submit(
      [
        { ...push, payload: utf8('no envelope') },
        { ...push, payload: Uint8Array.of(7, 1) },
      ],
      alice,
    );
    await dev.newBlock();
    // Beside the listen that runs.
    let dead: readonly Line[] = [];
    while (dead.length < 2) dead = (await runCli(['inbox', 'dead', '--vault', vault, '--json'])).lines;
    assert.deepEqual(
      dead.map(({ event, from, block }) => [event, from, block]),
      [
        ['dead', alice.id, blockNumber],
        ['dead', alice.id, blockNumber],
      ],
    );
    assert.equal(await listen.end('SIGINT'), 130);
    const [cursor, ...pending] = await inbox('ls');
    assert.equal(cursor?.['event'], 'cursor');
    assert.ok(Number(cursor['block']) >= blockNumber);
    assert.deepEqual(pending, []);
    const numbers = dead.map(({ number }) => String(number));
    const retried = await inbox('retry', 'all');
    assert.deepEqual(
      retried.map(({ event, number, code }) => [event, number, code]),
      dead.map(({ number, code }) => ['retried', number, code]),
    );
    assert.deepEqual(await inbox('dead', '--discard', numbers.join(',')), [{ event: 'discarded', count: 2 }]);
    assert.deepEqual(await inbox('dead'), []);
  });

  it('retries and discards what is named by its number, and says which of them are not there', async () => {
    await using chain = await connectChain({ endpoints: [dev.ws] });
    {
      await using listen = new RunningCli(['listen', '--vault', vault, '--ws', dev.ws]);
      await listen.line(({ event }) => event === 'ready');
      const push = { kind: 'push-message', destination: topicOf(identity) } as const;
      const payloads = ['no envelope', 'neither'].map(utf8);
      await chain.submit(
        payloads.map((payload) => ({ ...push, payload })),
        alice,
      );
      await until(async () => (await inbox('dead')).length === 2);
    }
    const [one, other] = (await inbox('dead')).map(({ number }) => String(number)) as [string, string];
    const retried = await runCli(['inbox', 'retry', '99', one, '98', '--vault', vault, '--json']);
    assert.deepEqual(
      retried.lines.map(({ event, number, outcome, code }) => [event, number ?? code, outcome]),
      [
        ['retried', one, 'dead'],
        ['error', 'no-such-letter', undefined],
      ],
    );
    assert.equal(retried.code, 2);
    assert.match(retried.stderr, / 99, 98\b.*no-such-letter/);
    const discarded = await runCli(['inbox', 'dead', '--discard', `97,${one},${one}`, '--vault', vault, '--json']);
    assert.deepEqual(
      discarded.lines.map(({ event, count, code }) => [event, count ?? code]),
      [
        ['discarded', 1],
        ['error', 'no-such-letter'],
      ],
    );
    assert.equal(discarded.code, 2);
    assert.match(discarded.stderr, / 97\b.*no-such-letter/);
    assert.deepEqual(
      (await inbox('dead')).map(({ number, retries }) => [number, retries]),
      [[other, 0]],
    );
    assert.deepEqual(await inbox('dead', '--discard', other), [{ event: 'discarded', count: 1 }]);
  });

  it('shows what was accepted and is not acknowledged', async () => {
    await using chain = await connectChain({ endpoints: [dev.ws] });
    await using recipient = await openVault({ path: vault, passphrase: 'correct horse' });
    const sender = createMemoryVault();
    const { genesisHash } = chain;
    const { envelope, messageId } = await sealMessage(
      { vault: sender, genesisHash, store: openMemoryStore(), directory: await directoryOf(recipient) },
      { to: identity, body: { kind: 'data', content: utf8('later') } },
    );
    {
      const path = join(`${vault}.data`, chainFolder(genesisHash), 'entity');
      await using store = await openLmdbStore({ path });
      await using box = createInbox({ chain, vault: recipient, store });
      await box.start();
      assert.equal(await box.accept(envelope), 'accepted');
    }
    const [, ...pending] = await inbox('ls');
    assert.deepEqual(
      pending.map(({ event, kind, messageId: id, from, via, state }) => [event, kind, id, from, via, state]),
      [['pending', 'message', messageId, sender.identity, 'relay', 'unacknowledged']],
    );
    const { stdout } = await runCli(['inbox', 'ls', '--vault', vault]);
    assert.match(stdout, new RegExp(`${messageId.slice(0, 6)}.* from worker .*, off chain`));
  });

  it('refuses what is no number', async () => {
    const { code, stderr } = await runCli(['inbox', 'retry', 'x', '--vault', vault]);
    assert.equal(code, 2);
    assert.match(stderr, /no number/);
  });
});
