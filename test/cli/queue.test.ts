import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectChain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { publishAgain } from '../../src/presence/publish.ts';
import { alice, temporaryFolder } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { reopen } from '../support/vaults.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Ended, type Line } from './run-cli.ts';

describe('cli: send where it can not go yet', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let ports: readonly [number, number];
  let b: string;
  let c: string;
  const path = (name: string): string => join(folder.path, name);
  const nowhere = ['--ws', 'ws://127.0.0.1:9'];

  const identityOf = async (name: string, ...endpoints: readonly string[]): Promise<string> => {
    const identity = await makeVault(path(name));
    await register(dev.ws, path(name), ...endpoints);
    return identity;
  };

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    ports = [await freePort(), await freePort()];
    b = await identityOf('b', `http://127.0.0.1:${ports[0]}`);
    c = await identityOf('c', `http://127.0.0.1:${ports[1]}`);
  });
  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  /** Its vault; registered, so that an account can pay for it. */
  const sender = async (name: string): Promise<string> => {
    await identityOf(name);
    return path(name);
  };
  /** What can go has as long as a busy machine needs for it. */
  const send = (vault: string, to: string, ...args: readonly string[]): Promise<Ended> =>
    runCli(['send', '--ws', dev.ws, '--vault', vault, '--to', to, '--json', '--timeout', '60', ...args]);
  /** What can't go is given up after a while. */
  const leave = (vault: string, to: string, ...args: readonly string[]): Promise<Ended> =>
    send(vault, to, '--timeout', '5', ...args);
  const pending = async (vault: string): Promise<readonly Line[]> =>
    (await runCli(['outbox', 'ls', '--pending', '--vault', vault, '--json'])).lines;
  const serve = async (name: string, port: number): Promise<RunningCli> => {
    const serving = new RunningCli(['serve', '--ws', dev.ws, '--vault', path(name), '--listen', `127.0.0.1:${port}`]);
    await serving.line(({ event }) => event === 'ready');
    return serving;
  };
  const textsAt = ({ lines }: RunningCli): string[] =>
    lines.filter(({ event }) => event === 'message').map(({ text }) => String(text));

  it('keeps the message, says why, and the next send carries it first', async () => {
    const vault = await sender('patient');
    const { code, lines, stderr } = await leave(vault, b, 'one');
    const [queued, failed, ...others] = lines;
    assert.deepEqual([code, queued, others], [1, { event: 'queued', sendId: '0' }, []]);
    assert.deepEqual([failed?.['event'], failed?.['code']], ['error', 'still-queued']);
    assert.match(stderr, /not yet: .*ECONNREFUSED.* \[endpoint-failed\]/);
    assert.match(stderr, /Not sent yet, and kept in the queue \(1\): .*ECONNREFUSED.* \[still-queued\] .*outbox send/);
    assert.deepEqual(
      (await pending(vault)).map(({ sendId, state, to }) => [sendId, state, to]),
      [['0', 'queued', b]],
    );
    await using serving = await serve('b', ports[0]);
    const sent = await send(vault, b, 'two');
    assert.deepEqual([sent.code, sent.lines.map(({ event }) => event)], [0, ['sent']], sent.stderr);
    await serving.line(({ text }) => text === 'two');
    assert.deepEqual(textsAt(serving), ['one', 'two']);
    assert.deepEqual(await pending(vault), []);
  });

  it('leaves what is for others as it is, and outbox send carries it all', async () => {
    const vault = await sender('busy');
    await leave(vault, c, 'for c');
    await leave(vault, b, '--fresh-key', 'for b, from a fresh key');
    assert.deepEqual(
      (await pending(vault)).map(({ to, state }) => [to, state]),
      [
        [c, 'queued'],
        [b, 'queued'],
      ],
    );
    const none = await runCli(['outbox', 'send', '--ws', dev.ws, '--vault', vault, '--timeout', '1']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /kept in the queue \(2\)/);
    await using atC = await serve('c', ports[1]);
    await using atB = await serve('b', ports[0]);
    const all = await runCli(['outbox', 'send', '--ws', dev.ws, '--vault', vault, '--json']);
    assert.deepEqual([all.code, all.lines.map(({ event }) => event)], [0, ['sent', 'sent']], all.stderr);
    await atC.line(({ text }) => text === 'for c');
    await atB.line(({ text }) => text === 'for b, from a fresh key');
  });

  it('goes on chain where the relay is away and an account pays; what may not go there waits', async () => {
    const vault = await sender('paying');
    await leave(vault, c, '--via', 'relay', 'never on chain');
    const { code, lines, stderr } = await send(vault, c, '--suri', '//Alice', 'on chain');
    assert.deepEqual([code, lines[0]?.['via']], [0, 'chain'], stderr);
    assert.deepEqual(
      (await pending(vault)).filter(({ state }) => state === 'queued').map(({ via }) => via),
      ['relay'],
    );
  });

  it('says of what an earlier command left that it went on chain, for which the account of this one pays', async () => {
    const vault = await sender('payer');
    await leave(vault, c, 'left');
    const args = ['--ws', dev.ws, '--vault', vault, '--suri', '//Alice', '--timeout', '60'];
    const sent = await runCli(['send', '--to', b, '--via', 'chain', ...args, 'meant']);
    assert.equal(sent.code, 0, sent.stderr);
    assert.match(sent.stdout, /^Message 0, which was left by an earlier command, went too: 0x\S+ in block \d+\.$/m);
    assert.equal(sent.stdout.match(/^Sent /gm)?.length, 1, sent.stdout);
  });

  it('waits for a block to be final for as long as blocks come, though messages of another account wait', async () => {
    const finalityLag = 20;
    await using slow = await startDevChain({ finalityLag });
    const [vault, recipient] = [path('shared'), path('recipient')];
    const to = await makeVault(recipient);
    await makeVault(vault);
    for (const each of [vault, recipient]) await register(slow.ws, each);
    for (let n = 0; n < finalityLag; n++) await slow.newBlock({ empty: true });
    const sendAs = (suri: string, ...args: readonly string[]): Promise<Ended> =>
      runCli([
        ...['send', '--ws', slow.ws, '--vault', vault, '--to', to, '--json'],
        ...['--suri', suri, '--as', 'account', '--timeout', '5', ...args],
      ]);
    const dear = await sendAs('//Alice', '--max-fee', '1', 'waits');
    assert.match(dear.stderr, /\[fee-too-high\]/);
    await runCli(['outbox', 'retry', 'all', '--vault', vault]);
    const over = new AbortController();
    const sending = sendAs('//Bob', '--wait', 'finalized', 'goes').finally(() => {
      over.abort();
    });
    while (!over.signal.aborted) {
      await slow.newBlock({ empty: true });
      await sleep(400);
    }
    const sent = await sending;
    assert.deepEqual([sent.code, sent.lines.map(({ event }) => event)], [0, ['sent']], sent.stderr);
    assert.equal(sent.stderr.split('[other-account]').length, 2, sent.stderr);
  }).timeout(180_000);

  it('queues without a chain for the one it knows; the relay of the sender carries it when there is one', async () => {
    const vault = await sender('offline');
    const offline = (text: string): Promise<Ended> =>
      runCli(['send', ...nowhere, '--vault', vault, '--to', b, '--json', '--timeout', '1', text]);
    const unknown = await offline('before any chain is known');
    assert.deepEqual([unknown.code, unknown.stderr.includes('[chain-unreachable]')], [1, true], unknown.stderr);
    await using atB = await serve('b', ports[0]);
    assert.equal((await send(vault, b, 'first')).code, 0);
    const { code, lines, stderr } = await offline('second');
    assert.deepEqual([code, lines.map(({ event }) => event)], [1, ['queued', 'error']], stderr);
    assert.match(stderr, /\[still-queued\]/);
    await using _own = await serve('offline', await freePort());
    await atB.line(({ text }) => text === 'second');
    await until(async () => (await pending(vault)).length === 0);
  });

  it('carries by the relay of the sender what a send was handing over when it was killed', async () => {
    const vault = await sender('interrupted');
    const silent = createServer(() => undefined);
    silent.listen(ports[1], '127.0.0.1');
    await once(silent, 'listening');
    const sockets: Socket[] = [];
    silent.on('connection', (socket) => sockets.push(socket));
    const sending = new RunningCli([
      'send',
      '--ws',
      dev.ws,
      '--vault',
      vault,
      '--to',
      c,
      '--timeout',
      '60',
      'interrupted',
    ]);
    await until(async () => sockets.length > 0 && (await pending(vault))[0]?.['state'] === 'submitted');
    await sending.end('SIGKILL');
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
    await using atC = await serve('c', ports[1]);
    await using _own = await serve('interrupted', await freePort());
    await atC.line(({ text }) => text === 'interrupted');
    await until(async () => (await pending(vault)).length === 0);
    assert.equal(textsAt(atC).filter((text) => text === 'interrupted').length, 1);
  });

  it('carries by the relay of the sender what was left for the chain by a send whose account could not pay', async () => {
    const vault = await sender('poor');
    const args = ['send', '--ws', dev.ws, '--vault', vault, '--to', c, '--timeout', '5', 'unpaid'];
    const sent = await runCli(args, { env: { KHALA_RELAY_SURI: '//Penniless' } });
    assert.match(sent.stderr, /\[balance-too-low\]/);
    assert.deepEqual([sent.code, (await pending(vault)).length], [1, 1]);
    await using atC = await serve('c', ports[1]);
    await using _own = await serve('poor', await freePort());
    await atC.line(({ text }) => text === 'unpaid');
    await until(async () => (await pending(vault)).length === 0);
  });

  it('takes nothing to the chain that a relay can take, where a command of Phala goes from the same queue', async () => {
    const vault = await sender('commanding');
    assert.equal((await leave(vault, b, 'for the relay')).code, 1);
    await using atB = await serve('b', ports[0]);
    const [key] = (await runCli(['keys', 'show', '--vault', path('b'), '--json'])).lines;
    const command = ['--topic', 'a/topic', '--key', String(key?.['ecdh']), 'a command'];
    const args = ['phala', 'send', '--ws', dev.ws, '--vault', vault, '--suri', '//Alice', '--json', ...command];
    const sent = await runCli(args);
    assert.equal(sent.code, 0, sent.stderr);
    const entries = (await runCli(['outbox', 'ls', '--vault', vault, '--json'])).lines;
    const [waiting] = entries.filter(({ suite }) => suite === 'v1');
    assert.ok(['queued', 'relayed'].includes(String(waiting?.['state'])), JSON.stringify(waiting));
    await runCli(['outbox', 'send', '--ws', dev.ws, '--vault', vault]);
    await atB.line(({ text }) => text === 'for the relay');
  });

  it('says at once, and queues nothing, where there is no way at all', async () => {
    const vault = await sender('hopeless');
    const silent = await identityOf('silent');
    const { code, stderr } = await send(vault, silent, 'x');
    assert.deepEqual([code, stderr.includes('[no-endpoint]')], [1, true], stderr);
    assert.match(stderr, /has published no endpoint, and the message is not queued\./);
    assert.deepEqual(await pending(vault), []);
  });

  it('says of endpoints that it can not follow which they are and why, and queues nothing', async () => {
    const vault = await sender('stranded');
    const lost = await identityOf('lost');
    await using chain = await connectChain({ endpoints: [dev.ws] });
    await using keys = await reopen(path('lost'));
    const publish = (...urls: readonly string[]) => publishAgain({ chain, vault: keys, account: alice }, urls);
    await publish('nope', 'ftp://a.example');
    for (const args of [['x'], ['--wait', 'reply', 'x'], ['--lines', '-']]) {
      const { code, stderr } = await send(vault, lost, ...args);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /"nope": it is not a URL; "ftp:\/\/a\.example": its scheme is none of http, https, ws, wss;/,
      );
      assert.match(stderr, /; the message is not queued\. \[recipient-unreachable\]/);
      assert.ok(!stderr.includes('--allow-private'), stderr);
    }
    await publish('http://10.0.0.1:8710');
    const { stderr } = await send(vault, lost, '--no-allow-private', 'x');
    assert.match(
      stderr,
      /"http:\/\/10\.0\.0\.1:8710": its address is .* private .*\(--allow-private lets .*not queued/,
    );
    assert.deepEqual(await pending(vault), []);
  });

  it('puts no endpoint on chain that no sender would follow', async () => {
    const name = path('typo');
    const own = await makeVault(name);
    const pays = ['--ws', dev.ws, '--vault', name, '--suri', '//Alice', '--json'];
    for (const args of [
      ['register', ...pays, '--endpoint', 'nope'],
      ['endpoint', 'set', ...pays, 'https://a.example', 'nope'],
    ]) {
      const { code, lines, stderr } = await runCli(args);
      assert.deepEqual([code, lines.map(({ code }) => code)], [2, ['bad-value']], stderr);
      assert.match(stderr, /The endpoint "nope" is not valid: it is not a URL\./);
    }
    const { lines } = await runCli(['workers', '--ws', dev.ws, '--json']);
    assert.ok(!lines.some(({ identity }) => identity === own));
  });
});
