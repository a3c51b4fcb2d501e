import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { useDevChainAndFolder } from '../support/dev-chain-folder.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

describe('cli: send, interrupted', () => {
  const { dev, path } = useDevChainAndFolder();
  const sockets = new Set<Socket>();
  let silent: Server;
  let away: string;

  before(async () => {
    silent = createServer((socket) => {
      sockets.add(socket);
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    away = await makeVault(path('away'));
    await register(dev.ws, path('away'), `http://127.0.0.1:${port()}`);
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  const port = (): number => (silent.address() as AddressInfo).port;
  /** How many connections there were; those that come later are of what is started now. */
  const connections = async (): Promise<number> => {
    const last = connect(port(), '127.0.0.1');
    await once(last, 'connect');
    await until(() => [...sockets].some(({ remotePort }) => remotePort === last.localPort));
    last.destroy();
    return sockets.size;
  };
  const args = (vault: string, to: string, ...more: readonly string[]): string[] => [
    ...['send', '--ws', dev.ws, '--vault', vault, '--to', to, '--timeout', '60', ...more],
  ];
  const waiting = async (vault: string): Promise<readonly Line[]> =>
    (await runCli(['outbox', 'ls', '--pending', '--vault', vault, '--json'])).lines.filter(
      // Before there is a folder: what is said of that.
      ({ event }) => event === 'entry',
    );
  const waits = (vault: string, count: number): Promise<true> =>
    until(async () => (await waiting(vault)).length === count);

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`says by ${signal} that its message stays queued`, async () => {
      const vault = path(`one-${signal}`);
      await makeVault(vault);
      await using sending = new RunningCli(args(vault, away, 'hello'));
      await waits(vault, 1);
      assert.equal(await sending.end(signal), exitCode);
      const [queued, error, ...others] = sending.lines;
      assert.deepEqual([queued, others], [{ event: 'queued', sendId: '0' }, []]);
      assert.deepEqual(
        [error?.['event'], error?.['code'], error?.['details']],
        ['error', 'interrupted', { left: '1 message stays queued', count: 1 }],
      );
      assert.match(
        sending.log,
        /Interrupted: 1 message stays queued\. \[interrupted\] .*khala-relay send or outbox send/,
      );
      assert.ok(!sending.log.includes('call again'), sending.log);
      assert.equal((await waiting(vault)).length, 1);
    });

    it(`says by ${signal} how many messages of --lines stay queued, and which line was the last`, async () => {
      const vault = path(`lines-${signal}`);
      await makeVault(vault);
      await using sending = new RunningCli(args(vault, away, '--lines', '-'), {}, true);
      sending.write('one\ntwo\nthree\n');
      await waits(vault, 3);
      assert.equal(await sending.end(signal), exitCode);
      assert.deepEqual(
        sending.lines.map(({ event, sendId }) => [event, sendId]),
        [
          ['queued', '0'],
          ['queued', '1'],
          ['queued', '2'],
          ['error', undefined],
        ],
      );
      const left = '3 messages stay queued; line 3 is the last that was read';
      assert.deepEqual(sending.lines.at(-1)?.['details'], { left, count: 3, lines: 3 });
    });
  }

  describe('with --lines of which one has failed', () => {
    const failing = async (name: string): Promise<RunningCli> => {
      const vault = path(name);
      await makeVault(vault);
      const paid = ['--as', 'account', '--suri', '//Alice', '--max-fee', '1'];
      const sending = new RunningCli(args(vault, away, ...paid, '--lines', '-'), {}, true);
      sending.write('one\n');
      await until(() => sending.log.includes('message 0 failed: '));
      return sending;
    };

    for (const [signal, exitCode] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const)
      it(`says by ${signal} what stays queued, and which line was the last, all the same`, async () => {
        await using sending = await failing(`failing-${signal}`);
        assert.equal(await sending.end(signal), exitCode);
        assert.match(sending.log, /message 0 failed: .* \[fee-too-high\]$/m);
        const left = 'nothing of this command stays queued; line 1 is the last that was read';
        assert.deepEqual(
          sending.lines.map(({ code, details }) => [code, details]),
          [['interrupted', { left, count: 0, lines: 1 }]],
        );
      });

    it('says at the next line what stays queued, and ends with what failed', async () => {
      await using sending = await failing('failing');
      sending.write('two\n');
      assert.equal(await sending.exit, 1);
      const [queued, error, ...others] = sending.lines;
      assert.deepEqual([queued, error?.['code'], others], [{ event: 'queued', sendId: '1' }, 'fee-too-high', []]);
    });
  });

  it('counts what outbox send leaves', async () => {
    const vault = path('again');
    await makeVault(vault);
    {
      await using _killed = new RunningCli(args(vault, away, 'hello'));
      await waits(vault, 1);
    }
    const before = await connections();
    await using sending = new RunningCli(['outbox', 'send', '--ws', dev.ws, '--vault', vault]);
    await until(() => sockets.size > before);
    assert.equal(await sending.end('SIGTERM'), 143);
    assert.match(sending.log, /Interrupted: 1 message stays queued\./);
  });

  it('ends where nobody reads what it prints any more, and says up to which line it has read', async () => {
    const [vault, recipient] = [path('piped'), path('recipient')];
    const to = await makeVault(recipient);
    await makeVault(vault);
    const port = await freePort();
    await register(dev.ws, recipient, `http://127.0.0.1:${port}`);
    const relay = ['serve', '--ws', dev.ws, '--vault', recipient, '--listen', `127.0.0.1:${port}`];
    await using serving = new RunningCli(relay);
    await serving.line(({ event }) => event === 'ready');
    await using sending = new RunningCli(args(vault, to, '--lines', '-'), {}, true);
    sending.write('one\n');
    await sending.line(({ event }) => event === 'sent');
    sending.closeOutput();
    sending.write('two\n');
    assert.equal(await sending.exit, 141);
    assert.match(sending.log, /Interrupted: nothing of this command stays queued; line 2 is the last that was read\./);
    await serving.line(({ text }) => text === 'two');
  });

  for (const [name, command, left] of [
    ['send', () => ['send', '--to', away, 'hello'], 'nothing of this command stays queued'],
    [
      'phala send',
      () => ['phala', 'send', '--contract', away, '--suri', '//Alice', 'run'],
      'nothing of this command stays queued',
    ],
    ['outbox send', () => ['outbox', 'send'], 'what was queued before stays queued'],
  ] as const)
    it(`${name} ends by SIGTERM before it has queued anything, and says so`, async () => {
      const vault = path(`early-${name}`);
      await makeVault(vault);
      const before = await connections();
      await using sending = new RunningCli([
        ...command(),
        ...['--ws', `ws://127.0.0.1:${port()}`, '--vault', vault, '--timeout', '60'],
      ]);
      await until(() => sockets.size > before);
      assert.equal(await sending.end('SIGTERM'), 143);
      assert.ok(sending.log.includes(`Interrupted: ${left}. [interrupted]`), sending.log);
    });
});
