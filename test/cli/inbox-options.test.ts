import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { sealMessage } from '../../src/channel/index.ts';
import { chainFolder } from '../../src/cli/session.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openLmdbStore, openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, directoryOf, temporaryFolder, utf8 } from '../support/entities.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { newVault, reopen } from '../support/vaults.ts';
import { RunningCli, runCli } from './run-cli.ts';

const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');
const finalityLag = 3;

describe('cli: how listen reads the chain', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let path: string;
  let vaults = 0;
  const sender = createMemoryVault();

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag });
    chain = await connectChain({ endpoints: [dev.ws] });
  });

  beforeEach(async () => {
    path = join(folder.path, `${vaults++}`);
    await (await newVault(path)).close();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  const finalize = () => dev.newBlock({ count: finalityLag });

  const listen = (...args: readonly string[]): RunningCli =>
    new RunningCli(['listen', '--vault', path, '--ws', dev.ws, ...args]);

  async function ready(...args: readonly string[]): Promise<RunningCli> {
    const listening = listen(...args);
    await listening.line(({ event }) => event === 'ready');
    return listening;
  }

  /** As Alice's account, in a block of its own. */
  async function post(text: string): Promise<void> {
    await using recipient = await reopen(path);
    const { genesisHash } = chain;
    const sending = { vault: sender, genesisHash, store: openMemoryStore(), directory: await directoryOf(recipient) };
    const body = { kind: 'data', content: utf8(text) } as const;
    const { envelope } = await sealMessage(sending, { to: recipient.identity, body, account: alice.id });
    const destination = topicOf(recipient.identity);
    await chain.submit([{ kind: 'push-message', destination, payload: envelope }], alice);
  }

  it('--finality best prints a message early, and that it is retracted, reinstated and final', async () => {
    await using listening = await ready('--finality', 'best');
    const { number } = await chain.bestHead();
    await post('early');
    const early = await listening.line(({ text }) => text === 'early');
    assert.deepEqual([early['finalized'], early['proven']], [false, false]);
    await dev.reorg(number, { resubmit: true });
    await dev.newBlock({ count: 2 });
    await listening.line(({ event }) => event === 'reinstated');
    await finalize();
    const final = await listening.line(({ event }) => event === 'finalized');
    assert.equal(final['proven'], true);
    const told = listening.lines.filter(({ messageId }) => messageId === early['messageId']);
    assert.deepEqual(
      told.map(({ event }) => event),
      ['message', 'retracted', 'reinstated', 'finalized'],
    );
  });

  it('says at a first start which block it reads first, and nothing of that later', async () => {
    const { number } = await chain.finalizedHead();
    const first = await ready();
    await first[Symbol.asyncDispose]();
    assert.match(first.log, new RegExp(`reading begins at block ${number + 1}\\.`));
    const later = await ready();
    await later[Symbol.asyncDispose]();
    assert.doesNotMatch(later.log, /reading begins/);
  });

  it('prints whether a message is proven; with --verify always it ends where the node gives no proofs of messages', async () => {
    await using proxy = await startRpcProxy(dev.ws, (method, [keys], result) =>
      method === 'state_getReadProof' && (keys as Hex[]).includes(outboundKey)
        ? new Refusal('Method not found')
        : result,
    );
    const provenBy = async (ws: string): Promise<unknown> => {
      await using listening = new RunningCli(['listen', '--vault', path, '--ws', ws]);
      await listening.line(({ event }) => event === 'ready');
      await post(ws);
      await finalize();
      return (await listening.line(({ text }) => text === ws))['proven'];
    };
    assert.equal(await provenBy(dev.ws), true);
    assert.equal(await provenBy(proxy.ws), false);
    const strict = new RunningCli(['listen', '--vault', path, '--ws', proxy.ws, '--verify', 'always']);
    await finalize();
    assert.equal(await strict.exit, 1);
    assert.match(strict.log, /proofs-unavailable/);
  });

  it('prints what inbox retry brings back while it runs', async () => {
    await buried('late');
    await using listening = await ready();
    const { code, stdout, stderr } = await runCli(['inbox', 'retry', 'all', '--vault', path]);
    assert.equal(code, 0, `${stdout}${stderr}`);
    const { via, proven } = await listening.line(({ text }) => text === 'late');
    assert.deepEqual([via, proven], ['chain', true]);
  });

  /** Has a message come to the entity while its vault can not open it. */
  async function buried(text: string): Promise<void> {
    await using vault = await reopen(path);
    await using store = await openLmdbStore({ path: join(`${path}.data`, chainFolder(chain.genesisHash), 'entity') });
    const foreign: Hex = `0x${'11'.repeat(32)}`;
    const broken = replacing(vault, { openAll: (request) => vault.openAll({ ...request, genesisHash: foreign }) });
    await using inbox = createInbox({ chain, vault: broken, store });
    await inbox.start();
    await inbox.ready;
    const probe = new InboxProbe(inbox);
    await post(text);
    await finalize();
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
  }

  it('--from counts anew where no endpoint has the blocks from the one that was given before', async () => {
    await dev.newBlock({ count: 3 });
    dev.pruneBefore(dev.head.number - finalityLag);
    for (const args of [['--from', '1'], []]) {
      const stopping = listen(...args);
      assert.equal(await stopping.exit, 1);
      assert.match(stopping.log, /blocks-missing/);
    }
    await using listening = await ready('--from', 'head');
    await post('from now on');
    await finalize();
    await listening.line(({ text }) => text === 'from now on');
    assert.doesNotMatch(listening.log, /already-read/);
  });

  it('--from of phala listen counts anew too where no endpoint has the blocks from the one that was given before', async () => {
    await dev.newBlock({ count: 3 });
    dev.pruneBefore(dev.head.number - finalityLag);
    const place = ['phala', 'listen', '--topic', 'any', '--vault', path, '--ws', dev.ws];
    for (const args of [['--from', '1'], []]) {
      const stopping = new RunningCli([...place, ...args]);
      assert.equal(await stopping.exit, 1);
      assert.match(stopping.log, /\[blocks-missing\] .*--on-gap skip.* a later block can be given in its place/);
    }
    await using listening = new RunningCli([...place, '--from', 'head']);
    await listening.line(({ event }) => event === 'ready');
    assert.doesNotMatch(listening.log, /already-read/);
  });

  it('--on-gap skip prints which blocks are missing and goes on, where it would end otherwise', async () => {
    await post('forgotten');
    await finalize();
    await dev.newBlock({ count: 2 });
    dev.pruneBefore(dev.head.number - finalityLag);
    const stopping = listen('--from', '1');
    assert.equal(await stopping.exit, 1);
    assert.match(stopping.log, /blocks-missing/);
    await using skipping = await ready('--from', '1', '--on-gap', 'skip');
    await post('behind the gap');
    await finalize();
    await skipping.line(({ text }) => text === 'behind the gap');
    assert.deepEqual(
      skipping.lines.filter(({ event }) => event === 'gap').map(({ first }) => first),
      [1],
    );
    assert.ok(!skipping.lines.some(({ text }) => text === 'forgotten'));
  });
});
