import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filter, lastValueFrom, map, take, toArray } from 'rxjs';
import { decodeSignedEnvelope, toHex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/core.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createRelayClient } from '../../src/relay/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { formsOf } from '../support/forms.ts';
import { reopen } from '../support/vaults.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Ended } from './run-cli.ts';

const contract = `0x${'c0'.repeat(32)}`;
const abi = fileURLToPath(new URL('../contract/ledger.json', import.meta.url));
const owner = `0x${'11'.repeat(32)}`;

describe('cli: calls of a worker, and its answers', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let serving: RunningCli;
  let worker: string;
  const path = (name: string): string => join(folder.path, name);

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    worker = await makeVault(path('worker'));
    await makeVault(path('client'));
    // Answers with u128 1 and what it was told; refuses the call of selector 0x00000002.
    await writeFile(
      path('handler'),
      `#!${process.execPath}
let text = '';
process.stdin.on('data', (data) => (text += data));
process.stdin.on('end', () => {
  const call = JSON.parse(text);
  if (call.input === '0x00000002') process.exit(1);
  if (call.input === '0x00000003') return process.stdout.write(JSON.stringify({ ...call, secret: process.env.KHALA_RELAY_PASSPHRASE }));
  process.stdout.write(Buffer.concat([Buffer.of(1), Buffer.alloc(15)]));
});
`,
    );
    await chmod(path('handler'), 0o700);
    const listen = ['--listen', '127.0.0.1:0', '--on-invoke', path('handler'), '--acknowledge'];
    const logs = ['--log-level', 'debug'];
    serving = new RunningCli(['serve', '--vault', path('worker'), ...listen, ...logs, '--ws', dev.ws]);
    const { url } = await serving.line(({ event }) => event === 'ready');
    await register(dev.ws, path('worker'), String(url));
  });
  after(async () => {
    await serving.end('SIGKILL');
    await dev.stop();
    await folder.remove();
  });

  const send = (...args: readonly string[]): Promise<Ended> =>
    runCli(['send', '--vault', path('client'), '--to', worker, '--ws', dev.ws, '--json', '--timeout', '60', ...args]);

  it('encodes the call by its ABI, shows it to the worker, and decodes what it returns', async () => {
    const args = JSON.stringify({ owner, amount: '1000', note: 'rent' });
    const call = ['--invoke', contract, '--abi', abi, '--method', 'transfer_to', '--args', args];
    const { lines, stderr } = await send(...call, '--wait', 'reply');
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['sent', 'reply'],
      stderr,
    );
    const [sent, reply] = lines;
    assert.deepEqual(
      [reply?.['inReplyTo'], reply?.['from'], Number(reply?.['value'])],
      [sent?.['messageId'], worker, 1],
    );
    const seen = await serving.line(({ messageId }) => messageId === sent?.['messageId']);
    const input = `0x84a15da1${'11'.repeat(32)}e803${'00'.repeat(14)}011072656e74`;
    assert.deepEqual([seen['invocation'], seen['registered']], [{ to: contract, input }, false]);
  });

  it('tells the handler who calls, and none of the secrets', async () => {
    const { lines, stderr } = await send('--invoke', contract, '--input', '0x00000003', '--wait', 'reply');
    const [sent, reply] = lines;
    const text = reply?.['text'];
    assert.ok(typeof text === 'string', stderr);
    const told = JSON.parse(text) as Record<string, unknown>;
    const shown = await runCli(['keys', 'show', '--vault', path('client'), '--json']);
    assert.deepEqual(told, {
      from: shown.lines[0]?.['identity'],
      fromKind: 'worker',
      registered: false,
      to: contract,
      input: '0x00000003',
      messageId: sent?.['messageId'],
      via: 'relay',
    });
  });

  it('says when a message was read', async () => {
    const { lines, stderr } = await send('--wait', 'read', 'hello');
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['sent', 'read'],
      stderr,
    );
  });

  it('keeps asking whether a message was read, and shows the word when it came', async () => {
    const now = await send('--receipt', 'read', '--wait', 'read', 'read at once');
    assert.deepEqual(
      now.lines.map(({ event }) => event),
      ['sent', 'read'],
      now.stderr,
    );
    // For one who is away, whose mail the worker's relay keeps.
    const { url } = await serving.line(({ event }) => event === 'ready');
    const away = await makeVault(path('away'));
    await register(dev.ws, path('away'), String(url));
    const client = ['--vault', path('client'), '--ws', dev.ws, '--json'];
    const later = ['send', ...client, '--to', away, '--receipt', 'read'];
    const unread = await runCli([...later, '--wait', 'read', '--timeout', '2', 'read later']);
    assert.deepEqual([unread.code, unread.lines.map(({ event }) => event)], [1, ['sent', 'error']], unread.stderr);
    assert.match(unread.stderr, /\[not-read-yet\] .*--acknowledge/);
    const entries = async () => {
      const { lines } = await runCli(['outbox', 'ls', '--vault', path('client'), '--json']);
      return lines.filter(({ receipts }) => isDeepStrictEqual(receipts, ['read']));
    };
    const [first, second] = await entries();
    assert.deepEqual(first?.['read'], { messageId: now.lines[1]?.['messageId'], readAt: now.lines[1]?.['readAt'] });
    assert.deepEqual([second?.['to'], second?.['read']], [away, undefined]);

    const listening = ['listen', '--vault', path('away'), '--relay', String(url), '--acknowledge', '--count', '1'];
    await runCli([...listening, '--ws', dev.ws, '--json']);
    const { lines, stderr } = await runCli(['outbox', 'send', ...client, '--timeout', '60', '--wait', 'read']);
    assert.deepEqual(
      lines.map(({ event, sendId }) => [event, sendId]),
      [['read', second?.['sendId']]],
      stderr,
    );
    assert.equal((await entries()).filter(({ read }) => read !== undefined).length, 2);
  });

  it('notes the word that a message was read where it comes to the mailbox of its sender', async () => {
    const { url } = await serving.line(({ event }) => event === 'ready');
    await makeVault(path('known'));
    await register(dev.ws, path('known'), String(url));
    const known = ['--vault', path('known'), '--ws', dev.ws, '--json'];
    const sent = await runCli(['send', ...known, '--to', worker, '--receipt', 'read', 'hello']);
    assert.equal(sent.code, 0, sent.stderr);
    const { lines, stderr } = await runCli(['listen', ...known, '--relay', String(url), '--count', '1']);
    const word = lines.find(({ event }) => event === 'message');
    const [shown] = (await runCli(['outbox', 'ls', '--vault', path('known'), '--json'])).lines;
    assert.equal((shown?.['read'] as { messageId?: string } | undefined)?.messageId, word?.['messageId'], stderr);
  });

  it('refuses to ask for a word of a message where none could come', async () => {
    for (const [why, ...args] of [
      ['a key that is not kept', '--fresh-key'],
      ['an account', '--as', 'account', '--suri', '//Alice'],
      ['another answer', '--wait', 'reply'],
      ['an answer that is not asked for', '--receipt', 'delivered', '--wait', 'read'],
      ['the chain', '--receipt', 'delivered', '--via', 'chain', '--suri', '//Alice'],
    ] as const) {
      const asked = args[0] === '--receipt' ? [] : ['--receipt', 'read'];
      const { code, stderr } = await send(...asked, ...args, 'hello');
      assert.deepEqual([code, stderr.includes('bad-setting')], [2, true], `${why}: ${stderr}`);
    }
  });

  it('says when a message is delivered, at once where the worker takes it itself', async () => {
    const { lines, stderr } = await send('--wait', 'delivered', 'hello');
    assert.deepEqual(
      [lines.map(({ event }) => event), lines[0]?.['status']],
      [['sent', 'delivered'], 'delivered'],
      stderr,
    );
  });

  it('seals from a key made for the message where it is asked to, and from its own else', async () => {
    const { url } = await serving.line(({ event }) => event === 'ready');
    const mailed = await makeVault(path('mailed'));
    await register(dev.ws, path('mailed'), String(url));
    const place = ['--vault', path('client'), '--to', mailed, '--ws', dev.ws, '--json'];
    for (const flags of [[], ['--fresh-key'], ['--fresh-key']]) {
      const { code, stderr } = await runCli(['send', ...place, ...flags, 'hello']);
      assert.equal(code, 0, stderr);
    }
    const [own] = (await runCli(['keys', 'show', '--vault', path('client'), '--json'])).lines;
    await using vault = await reopen(path('mailed'));
    await using client = createRelayClient({ genesisHash: dev.genesisHash, allowPrivate: true });
    const mail = client.receive({ url: String(url), identity: mailed, sign: (login) => vault.sign(login) }).pipe(
      filter((event) => event.type === 'delivery'),
      map(({ signedEnvelope }) => decodeV1(decodeSignedEnvelope(signedEnvelope).envelope).header.senderKey),
      take(3),
      toArray(),
    );
    const [first, ...fresh] = (await lastValueFrom(mail)).map((key) => toHex(key));
    assert.equal(first, own?.['ecdh']);
    assert.equal(new Set([first, ...fresh]).size, 3);
  });

  it('gives up at its time where the handler fails, whose message stays', async () => {
    const { code, stderr, lines } = await send(
      '--invoke',
      contract,
      '--input',
      '0x00000002',
      '--wait',
      'reply',
      '--timeout',
      '5',
    );
    assert.deepEqual([code, lines.map(({ event }) => event)], [1, ['sent', 'error']]);
    assert.match(stderr, /\[request-timeout\] .*--acknowledge.*--on-invoke/);
  });

  it('logs, at every level, nothing of what it opens, asks its handler and answers', async () => {
    const secret = 'meet me at the old mill at nine';
    const { code, stderr } = await send('--wait', 'read', secret);
    assert.equal(code, 0, stderr);
    const input = toHex(new TextEncoder().encode(secret));
    assert.equal((await send('--invoke', contract, '--input', input, '--wait', 'reply')).code, 0);
    assert.match(serving.log, /"level":20/);
    // The handler that failed, of the message before.
    assert.match(serving.log, /handler-failed/);
    for (const form of formsOf(secret)) assert.ok(!serving.log.includes(form), form);
  });

  const refusals: readonly (readonly [what: string, error: string, args: readonly string[]])[] = [
    [
      'an ABI that is none',
      'bad-abi',
      ['--invoke', contract, '--abi', fileURLToPath(import.meta.url), '--method', 'x'],
    ],
    [
      'a message that the contract does not have',
      'unknown-method',
      ['--invoke', contract, '--abi', abi, '--method', 'mint'],
    ],
    [
      'arguments that do not fit',
      'bad-arguments',
      ['--invoke', contract, '--abi', abi, '--method', 'transfer_to', '--args', '[1]'],
    ],
    [
      'arguments that are no JSON',
      'bad-input',
      ['--invoke', contract, '--abi', abi, '--method', 'ping', '--args', '['],
    ],
    ['an ABI without a message', 'bad-input', ['--invoke', contract, '--abi', abi]],
    ['an ABI and an input', 'bad-input', ['--invoke', contract, '--abi', abi, '--method', 'ping', '--input', '0x']],
    ['a call without either', 'bad-input', ['--invoke', contract]],
    ['an answer on chain', 'bad-setting', ['--via', 'chain', '--suri', '//Alice', '--wait', 'reply', 'x']],
    ['a block off chain', 'bad-setting', ['--via', 'relay', '--wait', 'finalized', 'x']],
    ['lines that are a text', 'bad-input', ['--lines', 'x']],
  ];
  for (const [what, error, args] of refusals)
    it(`refuses ${what}`, async () => {
      const { code, stderr, lines } = await send(...args);
      assert.match(stderr, new RegExp(`\\[${error}\\]`));
      assert.deepEqual([code, lines.map((line) => [line['event'], line['code']])], [2, [['error', error]]]);
    });
});
