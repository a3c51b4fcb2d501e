import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { contractTopic, encodeCommandPayload, type Hex } from '../../src/codec/index.ts';
import { alice, utf8 } from '../support/entities.ts';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { freePort } from '../support/free-port.ts';
import { reopen } from '../support/vaults.ts';
import { Poster } from '../inbox/support.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli } from './run-cli.ts';

const contract: Hex = `0x${'c0'.repeat(32)}`;
const read = ['one', 'two'];
const unread = Array.from({ length: 24 }, (_, n) => `unread ${n}`);

describe('cli: commands whose reader is gone', () => {
  const { dev, path } = useDevChainAndFolder();
  const vault = (): string => path('shown');
  before(async () => {
    await makeVault(vault());
    await register(dev.ws, vault());
  });

  for (const [name, args] of [
    ['workers', () => ['workers', '--ws', dev.ws]],
    ['workers --watch', () => ['workers', '--watch', '--ws', dev.ws]],
    ['doctor', () => ['doctor', '--ws', dev.ws]],
    ['keys show', () => ['keys', 'show', '--vault', vault()]],
    ['register', () => ['register', '--ws', dev.ws, '--vault', vault(), '--suri', '//Alice']],
    ['help', () => ['help']],
  ] as const)
    it(`${name} ends with 141, also where all it has to say is one line`, async () => {
      await using running = new RunningCli(args());
      running.closeOutput();
      assert.equal(await running.exit, 141, running.log);
      assert.equal(running.log, '');
    });
});

// What is posted after the reader has closed the pipe can be in none of its buffers.
describe('cli: messages whose reader is gone', () => {
  const { dev, path } = useDevChainAndFolder();
  let chain: Chain;
  let sender: string;

  before(async () => {
    chain = await connectChain({ endpoints: [dev.ws] });
    sender = path('sender');
    await makeVault(sender);
  });
  after(() => chain.stop());

  const texts = ({ lines }: RunningCli): unknown[] =>
    lines.filter(({ event }) => event === 'message').map(({ text }) => text);

  /** Reads two messages and no more, and then, with the command once more, what came behind them. */
  const leaveAndComeBack = async (
    args: readonly string[],
    post: (...texts: readonly string[]) => Promise<unknown>,
  ): Promise<void> => {
    {
      await using first = new RunningCli(args);
      await first.line(({ event }) => event === 'ready');
      await post(...read);
      await first.line(({ text }) => text === 'two');
      first.closeOutput();
      await post(...unread);
      assert.equal(await first.exit, 141, first.log);
      assert.deepEqual(texts(first), read);
    }
    await using second = new RunningCli(args);
    await second.line(({ text }) => text === unread.at(-1));
    // The last one that was read may not have been acknowledged yet.
    assert.deepEqual(
      texts(second).filter((text) => !read.includes(String(text))),
      unread,
    );
  };

  /** The same with messages that are posted to the entity of a new vault. */
  const withMessages = async (name: string, args: (vault: string) => readonly string[]): Promise<void> => {
    const vault = path(name);
    await makeVault(vault);
    await using recipient = await reopen(vault);
    await using from = await reopen(sender);
    const poster = await Poster.of(chain, from, recipient);
    await leaveAndComeBack(args(vault), (...all) => poster.send(recipient, ...all));
  };

  it('come to the next listen', async () => {
    await withMessages('listener', (vault) => ['listen', '--ws', dev.ws, '--vault', vault]);
  });

  it('come to the next serve', async () => {
    const listen = ['--listen', `127.0.0.1:${await freePort()}`];
    await withMessages('relay', (vault) => ['serve', '--ws', dev.ws, '--vault', vault, ...listen]);
  });

  it('come to the next phala listen', async () => {
    const vault = path('contract');
    await makeVault(vault);
    const destination = contractTopic(contract);
    await leaveAndComeBack(['phala', 'listen', '--contract', contract, '--ws', dev.ws, '--vault', vault], (...all) =>
      chain.submit(
        all.map((text) => ({
          ...{ kind: 'push-message', destination },
          payload: encodeCommandPayload({ kind: 'plain', content: utf8(text) }),
        })),
        alice,
      ),
    );
  });
});
