import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain } from '../../src/chain/index.ts';
import { contractTopic, encodeCommandPayload, toHex, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { alice, temporaryFolder, utf8 } from '../support/entities.ts';
import { makeVault } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

const contract: Hex = `0x${'c0'.repeat(32)}`;
const topic = `phala/contract/${contract.slice(2)}/command`;

describe('cli: phala', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let a: string;
  let b: string;
  let keyOfB: string;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    [a, b] = [join(folder.path, 'a'), join(folder.path, 'b')];
    await makeVault(a);
    const { lines } = await runCli(['keys', 'new', '--vault', b, '--json']);
    keyOfB = String(lines[0]?.['ecdh']);
  });

  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  const send = (...args: readonly string[]) =>
    runCli(['phala', 'send', '--ws', dev.ws, '--vault', a, '--suri', '//Alice', '--json', ...args]);

  it('sends a command to a topic and reads it there, with its suite; what is plain is shown as plain', async () => {
    await using listen = new RunningCli(['phala', 'listen', '--contract', contract, '--vault', b, '--ws', dev.ws]);
    const ready = await listen.line(({ event }) => event === 'ready');
    assert.deepEqual(ready['topics'], [topic]);
    const { code, lines, stderr } = await send('--contract', contract, '--key', keyOfB, 'run');
    assert.equal(code, 0, stderr);
    const received = await listen.line(({ text }) => text === 'run');
    assert.deepEqual(
      [received['messageId'], received['suite'], received['encrypted'], received['topic'], received['fromKind']],
      [lines[0]?.['messageId'], 'phala', true, topic, 'worker'],
    );
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const payload = encodeCommandPayload({ kind: 'plain', content: utf8('open') });
    await chain.submit([{ kind: 'push-message', destination: contractTopic(contract), payload }], alice);
    const plain = await listen.line(({ text }) => text === 'open');
    assert.deepEqual([plain['suite'], plain['encrypted'], plain['from']], ['phala', false, alice.id]);
    assert.equal(await listen.end('SIGINT'), 130);
  });

  it('lists, retries and discards what it could not read, beside a listen that runs', async () => {
    const vault = join(folder.path, 'c');
    await makeVault(vault);
    const phala = (...args: readonly string[]) => runCli(['phala', ...args, '--vault', vault, '--json']);
    await using listen = new RunningCli(['phala', 'listen', '--contract', contract, '--vault', vault, '--ws', dev.ws]);
    await listen.line(({ event }) => event === 'ready');
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const posting = { kind: 'push-message', destination: contractTopic(contract) } as const;
    const { blockNumber } = await chain.submit([{ ...posting, payload: Uint8Array.of(9, 1) }], alice);
    let letters: readonly Line[] = [];
    while (letters.length === 0) letters = (await phala('dead')).lines;
    const [{ event, number, code, topic: on, from, fromKind, block, bytes, retries }] = letters as [Line];
    assert.deepEqual(
      [event, code, on, from, fromKind, block, bytes, retries],
      ['dead', 'unknown-variant', topic, alice.id, 'account', blockNumber, 2, 0],
    );
    assert.match(listen.log, /can not be read \[unknown-variant\]/);
    const retried = await phala('retry', String(number), '99');
    assert.deepEqual(
      retried.lines.map((line) => [line['event'], line['number'] ?? line['code'], line['outcome']]),
      [
        ['retried', number, 'dead'],
        ['error', 'no-such-letter', undefined],
      ],
    );
    assert.equal(retried.code, 2);
    const discarded = await phala('dead', '--discard', String(number));
    assert.deepEqual(discarded.lines, [{ event: 'discarded', count: 1 }]);
    assert.deepEqual((await phala('dead')).stdout, '');
  }).timeout(120_000);

  it('keeps a command in the outbox: what failed is listed, and tried again within its limit when it is retried', async () => {
    await using listen = new RunningCli(['phala', 'listen', '--contract', contract, '--vault', b, '--ws', dev.ws]);
    await listen.line(({ event }) => event === 'ready');
    const dear = await send('--contract', contract, '--key', keyOfB, '--max-fee', '1', 'dear');
    assert.equal(dear.code, 1);
    assert.match(dear.stderr, /would cost/);
    const failed = (await runCli(['outbox', 'ls', '--vault', a, '--json'])).lines.at(-1);
    const { suite, to, code } = failed ?? {};
    assert.deepEqual([suite, to, code], ['phala', toHex(utf8(topic)), 'fee-too-high']);
    const { stdout } = await runCli(['outbox', 'ls', '--vault', a]);
    assert.ok(stdout.includes(`to ${topic}`), stdout);
    await runCli(['outbox', 'retry', 'all', '--vault', a]);
    const again = await send('--contract', contract, '--key', keyOfB, 'next');
    assert.equal(again.code, 0, again.stderr);
    await listen.line(({ text }) => text === 'next');
    assert.equal(listen.lines.filter(({ text }) => text === 'dear').length, 0, 'its limit stays');
    const { code: done } = await runCli(['outbox', 'retry', 'all', '--max-fee', '1000000000000', '--vault', a]);
    assert.equal(done, 0);
    assert.equal((await send('--contract', contract, '--key', keyOfB, 'last')).code, 0);
    await listen.line(({ text }) => text === 'dear');
  });

  it('says of a command that can not go that it stays queued', async () => {
    const poor = ['--as', 'account', '--timeout', '1'];
    const place = ['--ws', dev.ws, '--vault', a, '--json', '--contract', contract, '--key', keyOfB];
    const { code, lines, stderr } = await runCli(['phala', 'send', ...place, ...poor, 'later'], {
      env: { KHALA_RELAY_SURI: '//Poor' },
    });
    assert.equal(code, 1);
    assert.match(stderr, /\[balance-too-low\]/);
    assert.match(stderr, /\[still-queued\]/);
    assert.equal(lines[0]?.['event'], 'queued');
    const { lines: left } = await runCli(['outbox', 'cancel', String(lines[0]['sendId']), '--vault', a, '--json']);
    assert.equal(left.length, 1);
  });

  it('sends once where commands of another account wait, and tells of those', async () => {
    const vault = join(folder.path, 'shared');
    await makeVault(vault);
    const sendAs = (suri: string, ...args: readonly string[]) =>
      runCli([
        ...['phala', 'send', '--ws', dev.ws, '--vault', vault, '--suri', suri, '--as', 'account', '--json'],
        ...['--contract', contract, '--key', keyOfB, ...args],
      ]);
    assert.equal((await sendAs('//Alice', '--max-fee', '1', 'waits')).code, 1);
    await runCli(['outbox', 'retry', 'all', '--vault', vault]);
    const { code, lines, stderr } = await sendAs('//Bob', 'goes');
    assert.deepEqual([code, lines.map(({ event }) => event)], [0, ['sent']], stderr);
    assert.equal(stderr.split('[other-account]').length, 2, stderr);
    const left = await runCli(['outbox', 'ls', '--vault', vault, '--json']);
    assert.deepEqual(
      left.lines.map(({ account, state }) => [account === alice.id, state === 'queued']),
      [
        [true, true],
        [false, false],
      ],
      left.stdout,
    );
  }).timeout(180_000);

  it('refuses topics of Phala itself, and says what is missing', async () => {
    for (const [args, expected, error] of [
      [['--topic', 'phala/mining/report', '--key', keyOfB, 'x'], 2, /\[phala-topic\]/],
      [['--contract', contract, 'x'], 1, /\[no-contract-key\]/],
      [['--contract', contract, '--topic', 't', 'x'], 2, /\[bad-setting\]/],
      [['x'], 2, /\[bad-setting\]/],
      [['--topic', '0x0', 'x'], 2, /\[bad-hex\]/],
    ] as const) {
      const { code, stderr } = await send(...args);
      assert.equal(code, expected, stderr);
      assert.match(stderr, error);
    }
  });
});
