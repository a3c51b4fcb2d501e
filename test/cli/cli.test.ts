import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accountFromSuri, connectChain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { encodeAddress } from '@polkadot/util-crypto';
import { temporaryFolder } from '../support/entities.ts';
import { endpointList, endpointsKey } from '../support/genesis-spec.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

interface Node {
  readonly ws: string;
  stop(): Promise<void>;
}

describe('cli (embedded chain)', () => {
  contractOn(() => startDevChain({ workers: 2 }));
});

describeRealNode('cli', () => {
  contractOn(() => startRealNode({ blockTimeMs: 500 }));
});

function contractOn(start: () => Promise<Node>): void {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: Node;
  let a: Line;
  let b: Line;
  let vaultA: string;
  let vaultB: string;

  before(async () => {
    folder = await temporaryFolder();
    node = await start();
    [vaultA, vaultB] = [join(folder.path, 'a'), join(folder.path, 'b')];
    a = (await runCli(['keys', 'new', '--vault', vaultA, '--json'])).lines[0] ?? {};
    b = (await runCli(['keys', 'new', '--vault', vaultB, '--json'])).lines[0] ?? {};
  });

  after(async () => {
    await node.stop();
    await folder.remove();
  });

  function on(...args: readonly string[]): string[] {
    return [...args, '--ws', node.ws, '--json'];
  }

  async function ok(...args: readonly string[]): Promise<Line> {
    const { code, lines, stderr } = await runCli(on(...args));
    assert.equal(code, 0, stderr);
    return lines[0] ?? {};
  }

  it('makes keys, registers, watches, sends both ways, rotates', async () => {
    assert.match(String(a['identity']), /^0x[0-9a-f]{64}$/);
    assert.equal(a['epoch'], 0);
    await using watch = new RunningCli(['workers', '--watch', '--ws', node.ws]);
    await watch.line(({ event }) => event === 'ready');
    const registered = await ok('register', '--vault', vaultA, '--suri', '//Alice');
    assert.deepEqual([registered['event'], registered['identity']], ['registered', a['identity']]);
    await ok('register', '--vault', vaultB, '--suri', '//Bob');
    const seen = await watch.line(({ event, identity }) => event === 'added' && identity === b['identity']);
    assert.deepEqual([seen['ecdh'], seen['epoch'], seen['endpoints']], [b['ecdh'], 0, []]);

    await using listen = new RunningCli(['listen', '--vault', vaultB, '--ws', node.ws]);
    await listen.line(({ event }) => event === 'ready');
    const to = ['--vault', vaultA, '--to', String(b['identity'])];
    const sent = await ok('send', ...to, '--suri', '//Alice', '--via', 'chain', 'hello');
    assert.deepEqual([sent['event'], sent['via']], ['sent', 'chain']);
    const message = await listen.line(({ text }) => text === 'hello');
    assert.deepEqual(
      [message['messageId'], message['from'], message['fromKind'], message['registered'], message['suite']],
      [sent['messageId'], a['identity'], 'worker', true, 'v1'],
    );
    const address = encodeAddress(String(b['identity']), 30);
    await ok('send', '--vault', vaultA, '--to', address, '--as', 'account', '--suri', '//Bob', '--via', 'chain', 'hi');
    const fromAccount = await listen.line(({ text }) => text === 'hi');
    assert.deepEqual([fromAccount['fromKind'], fromAccount['from']], ['account', accountFromSuri('//Bob').id]);
    const contract = `0x${'42'.repeat(32)}`;
    await ok('send', ...to, '--suri', '//Alice', '--via', 'chain', '--invoke', contract, '--input', '0xdeadbeef');
    const invocation = await listen.line((line) => 'invocation' in line);
    assert.deepEqual(invocation['invocation'], { to: contract, input: '0xdeadbeef' });
    assert.equal(await listen.end('SIGINT'), 130);

    await using serve = new RunningCli(['serve', '--vault', vaultB, '--listen', '127.0.0.1:0', '--ws', node.ws]);
    const { url } = await serve.line(({ event }) => event === 'ready');
    await ok('endpoint', 'set', '--vault', vaultB, '--suri', '//Alice', String(url));
    await watch.line(({ event, endpoints }) => event === 'changed' && Array.isArray(endpoints) && endpoints[0] === url);
    const relayed = await ok('send', ...to, 'off chain');
    assert.deepEqual([relayed['via'], relayed['endpoint']], ['relay', url]);
    assert.equal((await serve.line(({ text }) => text === 'off chain'))['via'], 'relay');

    const rotated = await ok('rotate', '--vault', vaultB, '--suri', '//Alice');
    assert.equal(rotated['epoch'], 1);
    await watch.line(({ identity, epoch }) => identity === b['identity'] && epoch === 1);
    await ok('send', ...to, 'to the new key');
    await serve.line(({ text }) => text === 'to the new key');
    assert.equal(await serve.end('SIGTERM'), 0);
  }).timeout(180_000);

  it('proves all that it prints with --verify always, and ends with 1 and a remedy where a node gives no proofs', async () => {
    const ready = async (...args: readonly string[]): Promise<unknown[]> => {
      await using watch = new RunningCli(['workers', '--watch', ...args]);
      const { strategy, trust } = await watch.line(({ event }) => event === 'ready');
      return [strategy, trust];
    };
    assert.deepEqual(await ready('--verify', 'always', '--ws', node.ws), ['proofs', 'single']);
    await using bare = await startRpcProxy(node.ws);
    bare.refuse = (method) => (method === 'state_getReadProof' ? new Refusal('Method not found') : undefined);
    const { code, stdout, stderr } = await runCli(['workers', '--verify', 'always', '--ws', bare.ws]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /\[proofs-unavailable\]/);
    assert.ok(stderr.includes(bare.ws) && stderr.includes('Use a node that offers state_getReadProof'), stderr);
    assert.deepEqual(await ready('--ws', bare.ws), ['hints', 'single']);
  });

  it('examines a node in sentences', async () => {
    const { code, lines } = await runCli(['doctor', '--ws', node.ws, '--json']);
    assert.equal(code, 0);
    assert.ok(lines.length >= 4);
    for (const { event, finding } of lines) assert.ok(event === 'finding' && /^[A-Z].*\.$/.test(String(finding)));
  });

  it('examines each of several nodes, those that do not answer too, and whether they agree', async () => {
    const dead = 'ws://127.0.0.1:9';
    const { code, lines } = await runCli(['doctor', '--ws', node.ws, '--ws', dead, '--timeout', '1', '--json']);
    assert.equal(code, 0);
    assert.ok(lines.filter(({ ws }) => ws === node.ws).length > 8);
    assert.match(String(lines.find(({ ws, ok }) => ws === dead && ok === false)?.['finding']), /No node answers/);
    assert.match(String(lines.at(-1)?.['finding']), /Fewer than 2 endpoints agree/);
    const alone = await runCli(['doctor', '--ws', dead, '--timeout', '1', '--json']);
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /\[chain-unreachable\]/);
  });

  it('verifies where it is asked to, and says how far finality is trusted', async () => {
    const watch = (...args: readonly string[]): RunningCli => new RunningCli(['workers', '--watch', ...args]);
    await using one = watch('--verify', 'always', '--ws', node.ws);
    assert.equal((await one.line(({ event }) => event === 'ready'))['trust'], 'single');
    await using two = watch('--verify', 'always', '--ws', node.ws, '--ws', node.ws.replace('127.0.0.1', 'localhost'));
    assert.equal((await two.line(({ event }) => event === 'ready'))['trust'], 'quorum');
    const dead = ['--ws', node.ws, '--ws', 'ws://127.0.0.1:9', '--timeout', '1'];
    const { code, stderr } = await runCli(['workers', '--verify', 'always', ...dead]);
    assert.equal(code, 1);
    assert.match(stderr, /\[no-quorum\]/);
    assert.equal((await runCli(['workers', '--verify', 'always', '--quorum', '1', ...dead])).code, 0);
    assert.match((await runCli(['workers', '--quorum', '2', '--ws', node.ws])).stderr, /\[bad-quorum\]/);
  });
}

describe('cli', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let vault: string;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ workers: 1 });
    vault = join(folder.path, 'vault');
    await runCli(['keys', 'new', '--vault', vault]);
  });

  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  it('goes from relay to chain by itself where no endpoint answers and an account pays', async () => {
    const other = join(folder.path, 'other');
    const { lines } = await runCli(['keys', 'new', '--vault', other, '--json']);
    const id = String(lines[0]?.['identity']);
    await runCli([
      'register',
      '--ws',
      dev.ws,
      '--vault',
      other,
      '--suri',
      '//Alice',
      '--endpoint',
      'http://127.0.0.1:9',
    ]);
    const args = ['send', '--ws', dev.ws, '--vault', vault, '--to', id, '--json', 'hello'];
    const { code, stderr } = await runCli([...args, '--timeout', '1']);
    assert.equal(code, 1);
    assert.match(stderr, /\[endpoint-failed\]/);
    assert.match(stderr, /\[still-queued\]/);
    await runCli(['register', '--ws', dev.ws, '--vault', vault, '--suri', '//Alice']);
    const paid = await runCli([...args, '--suri', '//Alice']);
    assert.equal(paid.lines[0]?.['via'], 'chain', paid.stderr);
  });

  it('shows an endpoint change that is nested in a batch', async () => {
    await using watch = new RunningCli(['workers', '--watch', '--ws', dev.ws]);
    await watch.line(({ event }) => event === 'ready');
    const { registerEntity } = await import('../../src/presence/index.ts');
    const { openVault } = await import('../../src/vault/index.ts');
    const chain = await connectChain({ endpoints: [dev.ws] });
    const own = await openVault({ path: vault, passphrase: 'correct horse' });
    // Registration and endpoints go as one utility.batchAll.
    await registerEntity({ chain, vault: own, account: accountFromSuri('//Alice') }, ['https://nested.example']);
    await watch.line(({ endpoints }) => Array.isArray(endpoints) && endpoints.includes('https://nested.example'));
    await own.close();
    await chain.stop();
  });

  it('tells who reads slowly of a worker as it is then, once, however often it changed', async () => {
    await using many = await startDevChain({ workers: 1_500 });
    await using watch = new RunningCli(['workers', '--watch', '--ws', many.ws]);
    watch.readNothing();
    const [worker] = [...many.workers];
    assert.ok(worker !== undefined);
    const put = (url: string) => many.setStorage([[endpointsKey(worker.identity), endpointList([url])]]);
    // What it prints first is more than any buffer takes: it stands still meanwhile.
    for (let i = 0; i < 5; i++) await put(`https://${i}.example`);
    watch.readOn();
    await watch.line(({ event }) => event === 'ready');
    await put('https://last.example');
    await watch.line(({ endpoints }) => Array.isArray(endpoints) && endpoints[0] === 'https://last.example');
    const lines = watch.lines.filter(({ identity }) => identity === worker.identity);
    const told = lines.map(({ event, endpoints }) => [event, (endpoints as string[])[0]]);
    assert.equal(told[0]?.[0], 'added');
    assert.deepEqual(told.at(-1), ['changed', 'https://last.example']);
    assert.ok(told.length <= 3, JSON.stringify(told));
  });

  it('prints one line per worker without --watch, and ends', async () => {
    const { code, lines } = await runCli(['workers', '--ws', dev.ws, '--json']);
    assert.equal(code, 0);
    const [worker] = [...dev.workers];
    const line = lines.find(({ identity }) => identity === worker?.identity);
    assert.deepEqual([line?.['ecdh'], line?.['endpoints']], [worker?.ecdh, worker?.endpoints]);
  });

  it('shows endpoints that would steer a terminal or look like another line as what they are', async () => {
    await using many = await startDevChain({ workers: 1 });
    const [worker] = [...many.workers];
    assert.ok(worker !== undefined);
    const hostile = 'http://a\u001b[2J\u001b]0;owned\u0007\nadded   0x00 \u202eforged';
    await many.setStorage([[endpointsKey(worker.identity), endpointList([hostile])]]);
    const shown = await runCli(['workers', '--ws', many.ws]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.equal(shown.stdout.trim().split('\n').length, 1, shown.stdout);
    assert.match(
      shown.stdout,
      /http:\/\/a\\u\{1b\}\[2J\\u\{1b\}\]0;owned\\u\{7\}\\u\{a\}added {3}0x00 \\u\{202e\}forged/,
    );
    const { lines } = await runCli(['workers', '--ws', many.ws, '--json']);
    assert.deepEqual(lines[0]?.['endpoints'], [hostile]);
  });

  it('imports an identity from standard input, and shows public keys alone', async () => {
    const path = join(folder.path, 'imported');
    const seed = `0x${'07'.repeat(32)}`;
    const imported = await runCli(['keys', 'import', '--vault', path, '--json'], { input: `${seed}\n` });
    assert.equal(imported.code, 0, imported.stderr);
    const shown = await runCli(['keys', 'show', '--vault', path, '--json']);
    assert.deepEqual(shown.lines[0]?.['identity'], imported.lines[0]?.['identity']);
    assert.ok(!(imported.stdout + imported.stderr + shown.stdout).includes('0707'));
  });

  it('takes settings from flags, environment and file, in that order', async () => {
    const file = join(folder.path, 'settings.toml');
    await writeFile(file, `ws = ["ws://127.0.0.1:9"]\n`);
    const fromFile = await runCli(['workers', '--config', file]);
    assert.match(fromFile.stderr, /127\.0\.0\.1:9/);
    const fromEnvironment = await runCli(['workers', '--config', file], { env: { KHALA_RELAY_WS: dev.ws } });
    assert.equal(fromEnvironment.code, 0, fromEnvironment.stderr);
    const env = { KHALA_RELAY_WS: 'ws://127.0.0.1:9' };
    assert.equal((await runCli(['workers', '--ws', dev.ws], { env })).code, 0);
  });

  const refusals: readonly (readonly [what: string, code: 1 | 2, error: string, args: () => string[], env?: object])[] =
    [
      [
        'a wrong passphrase',
        2,
        'wrong-passphrase',
        () => ['keys', 'show', '--vault', vault],
        { KHALA_RELAY_PASSPHRASE: 'no' },
      ],
      ['an unknown recipient', 1, 'unknown-recipient', () => send('--to', `0x${'11'.repeat(32)}`, 'x')],
      ['a dead URL', 1, 'chain-unreachable', () => ['workers', '--ws', 'ws://127.0.0.1:9']],
      ['a URL that is none', 2, 'bad-endpoint', () => ['workers', '--ws', 'nonsense']],
      ['a bad id', 2, 'bad-id', () => send('--to', 'nonsense', 'x')],
      [
        'a secret given by flag',
        2,
        'secret-by-flag',
        () => send('--to', `0x${'11'.repeat(32)}`, '--suri', 'bottom drive', 'x'),
      ],
      [
        'no account where one must pay',
        2,
        'no-account',
        () => send('--to', `0x${'11'.repeat(32)}`, '--via', 'chain', 'x'),
      ],
      ['no message', 2, 'bad-input', () => send('--to', `0x${'11'.repeat(32)}`)],
      ['two messages', 2, 'bad-input', () => send('--to', `0x${'11'.repeat(32)}`, '--file', 'x', 'y')],
      ['a file that is not there', 2, 'bad-input', () => send('--to', `0x${'11'.repeat(32)}`, '--file', 'nowhere')],
      ['a vault that is not there', 2, 'vault-missing', () => ['keys', 'show', '--vault', 'nowhere']],
      ['a vault that is there already', 2, 'vault-exists', () => ['keys', 'new', '--vault', vault]],
      ['no vault named', 2, 'missing-setting', () => ['keys', 'show']],
      [
        'an unknown setting in a file',
        2,
        'bad-config-file',
        () => ['workers', '--config', join(folder.path, 'odd.toml')],
      ],
      ['a setting of the wrong kind', 2, 'bad-setting', () => ['workers', '--ws', dev.ws, '--timeout', 'soon']],
      ['a listen address that is none', 2, 'bad-setting', () => ['serve', '--vault', vault, '--listen', 'here']],
      ['what has no effect', 2, 'bad-setting', () => ['serve', '--data', folder.path, '--from', '1']],
      [
        'another chain than the one asked for',
        1,
        'wrong-chain',
        () => ['workers', '--ws', dev.ws, '--genesis', `0x${'00'.repeat(32)}`],
      ],
    ];

  function send(...args: readonly string[]): string[] {
    return ['send', '--ws', dev.ws, '--vault', vault, ...args];
  }

  for (const [what, code, error, args, env] of refusals)
    it(`refuses ${what} with one sentence, its code and a remedy, and no stack`, async () => {
      await writeFile(join(folder.path, 'odd.toml'), 'wss = 1\n');
      const ended = await runCli(args(), env === undefined ? {} : { env: { ...env } });
      assert.match(ended.stderr, new RegExp(`^khala-relay: .+ \\[${error}\\] .+\\n$`));
      assert.equal(ended.code, code);
      assert.equal(ended.stdout, '');
    });

  it('tells what failed as the last event too with --json', async () => {
    const genesisHash = `0x${'00'.repeat(32)}`;
    const { code, lines, stderr } = await runCli(['workers', '--ws', dev.ws, '--genesis', genesisHash, '--json']);
    const [{ message, remedy, ...facts } = {}, ...others] = lines;
    const details = { url: dev.ws, actual: dev.genesisHash, expected: genesisHash };
    assert.deepEqual([code, facts, others], [1, { event: 'error', code: 'wrong-chain', details }, []]);
    assert.equal(stderr, `khala-relay: ${String(message)} [wrong-chain] ${String(remedy)}\n`);
  });

  it('says of a data folder that is a file what it is', async () => {
    const [data, whole] = [join(folder.path, 'odd.toml'), join(folder.path, 'whole')];
    const ofChain = join(whole, dev.genesisHash.slice(2, 18));
    await mkdir(whole);
    for (const [given, file] of [
      [data, data],
      [whole, ofChain],
    ] as const) {
      await writeFile(file, '');
      const { code, stderr } = await runCli(['listen', '--ws', dev.ws, '--vault', vault, '--data', given]);
      assert.deepEqual([code, stderr.includes(` ${file} is a file, not a folder. [bad-setting]`)], [2, true], stderr);
    }
  });

  it('refuses a vault that others can read', async () => {
    const path = join(folder.path, 'exposed');
    await writeFile(path, await readFile(vault));
    await chmod(path, 0o644);
    const { code, stderr } = await runCli(['keys', 'show', '--vault', path]);
    assert.equal(code, 1);
    assert.match(stderr, /\[vault-exposed\]/);
  });

  it('ends with 2 and a hint on unknown commands and options', async () => {
    for (const args of [['nonsense'], ['workers', '--nonsense'], ['send', 'x']]) {
      const { code, stderr } = await runCli(args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /^error: /);
    }
    assert.equal((await runCli(['--help'])).code, 0);
  });

  it('runs the demo to its end', async () => {
    const { code, stdout, stderr } = await runCli(['demo']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /A → B on chain: .*B reads "hello B, on chain"/);
    assert.match(stdout, /A → B off chain: .*B reads "hello B, can you hear me\?"/);
  });
});
