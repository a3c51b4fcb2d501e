import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { ready } from '../../../src/crypto/index.ts';
import {
  connectAgent,
  openVault,
  serveVault,
  type ServeVaultOptions,
  type Vault,
  type VaultAgent,
} from '../../../src/vault/index.ts';
import { frame, maxFrame } from '../../../src/vault/agent/frames.ts';
import { encodeHello } from '../../../src/vault/agent/hello.ts';
import { startChild } from '../../support/child.ts';
import { rejected } from '../../support/expect-error.ts';
import { useTempDir } from '../../support/temp-dir.ts';
import { currentKey, genesisHash, newVault, openText, reopen, sealTo } from '../../support/vaults.ts';

describe('vault agent', () => {
  const folder = useTempDir();
  let path: string;
  let closing: (() => unknown)[];
  let peer: Vault;
  before(ready);
  beforeEach(async () => {
    path = folder('run', 'socket');
    closing = [];
    peer = await newVault(folder('peer'));
  });
  afterEach(async () => {
    for (const close of closing.reverse()) await close();
  });

  async function start(options: Partial<ServeVaultOptions> = {}): Promise<VaultAgent> {
    const vault = options.vault ?? (await newVault(folder(`vault ${closing.length}`)));
    const agent = await serveVault({ vault, socket: path, dataPath: folder('data'), ...options });
    closing.push(() => agent.stop());
    return agent;
  }
  async function client(options: { readonly patienceMs?: number } = {}): Promise<Vault> {
    const vault = await connectAgent({ socket: path, patienceMs: 0, ...options });
    closing.push(() => vault.close());
    return vault;
  }
  function raw(): Socket {
    const socket = connect(path).on('error', () => undefined);
    closing.push(() => socket.destroy());
    return socket;
  }
  const closed = (socket: Socket): Promise<unknown> => gone(socket.resume());
  const gone = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

  it('is a vault by its path, tells where the data is, and removes its socket when it stops', async () => {
    const agent = await start();
    await using vault = await openVault({ path: `agent:${path}` });
    assert.equal(vault.dataPath, folder('data'));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(folder('run'))).mode & 0o777, 0o700);
    const impatient = await client();
    await agent.stop();
    assert.deepEqual(await readdir(folder('run')), []);
    const { message } = await rejected(impatient.ecdhKeys(), 'agent-gone');
    assert.ok(message.includes(path));
    await rejected(openVault({ path: `agent:${path}` }), 'agent-gone');
  });

  it('answers many clients at once, each with many calls under way', async () => {
    await start();
    const clients = await Promise.all(Array.from({ length: 5 }, () => client()));
    const envelope = await sealTo(peer, clients[0]!, 'hello');
    const texts = await Promise.all(
      clients.flatMap((vault) => Array.from({ length: 2_000 }, () => openText(vault, envelope))),
    );
    assert.ok(texts.length === 10_000 && texts.every((text) => text === 'hello'));
  });

  it('is found again by its clients after it was restarted; another entity in its place is refused', async () => {
    const first = await start({ vault: await newVault(folder('vault')) });
    const vault = await client();
    await first.stop();
    await rejected(vault.ecdhKeys(), 'agent-gone');
    const again = await start({ vault: await reopen(folder('vault')) });
    assert.equal((await vault.ecdhKeys()).length, 1);
    await again.stop();
    await start();
    const { message } = await rejected(vault.ecdhKeys(), 'agent-gone');
    assert.match(message, /another entity/);
  });

  it('needs a private folder, and replaces what a dead agent left but no other file', async () => {
    await mkdir(folder('open'), { mode: 0o755 });
    const vault = await newVault(folder('mine'));
    const at = (socket: string) => serveVault({ vault, socket, dataPath: '' });
    await rejected(at(folder('open', 'socket')), 'agent-socket-exposed');
    await mkdir(folder('run'), { mode: 0o700 });
    await writeFile(path, 'precious');
    await rejected(at(path), 'agent-socket-exposed');
    await chmod(folder('run'), 0o770);
    await rejected(at(path), 'agent-socket-exposed');
    await vault.close();
  });

  it('runs once for a socket, and takes over from one that was killed, also while clients are busy', async () => {
    await (await newVault(folder('vault'))).close();
    const child = startChild(new URL('agent-child.ts', import.meta.url), 'serve', folder('vault'), path);
    await child.line();
    await rejected(start(), 'agent-running');
    const vault = await client();
    const envelope = await sealTo(peer, vault, 'x');
    const busy = Promise.allSettled(Array.from({ length: 500 }, () => openText(vault, envelope)));
    await child.kill();
    for (const result of await busy)
      if (result.status === 'rejected') await rejected(Promise.reject(result.reason as Error), 'agent-gone');
    await start({ vault: await reopen(folder('vault')) });
    assert.equal(await openText(vault, envelope), 'x');
  });

  it('allows what its owner allowed', async () => {
    await start({ policy: { allow: ['keys', 'open', 'sign:login'] } });
    const vault = await client();
    const recipientKey = await currentKey(vault);
    assert.equal(await openText(vault, await sealTo(peer, vault, 'x', recipientKey)), 'x');
    const login = {
      genesisHash: `0x${'aa'.repeat(32)}`,
      origin: 'o',
      serverNonce: new Uint8Array(32),
      expiresAt: 1n,
    } as const;
    await vault.sign({ type: 'login', ...login });
    const { details } = await rejected(
      vault.sign({ type: 'worker-endpoint', endpoints: [], signingTime: 1n }),
      'agent-refused',
    );
    assert.deepEqual(details, { operation: 'sign:worker-endpoint' });
    for (const call of [
      () => vault.rotate(),
      () => vault.erase({ retiredBefore: 9e12 }),
      () => sealTo(vault, peer, 'x'),
    ])
      await rejected(call(), 'agent-refused');
    const own = await newVault(folder('own'));
    const refused = (policy: ServeVaultOptions['policy']) =>
      rejected(
        serveVault({ vault: own, socket: folder('x', 'y'), dataPath: '', ...(policy && { policy }) }),
        'bad-value',
      );
    await refused({ allow: ['everything'] });
    await refused({ rate: 0 });
    await refused({ rate: Number.NaN });
  });

  it('takes so many requests a second', async () => {
    let now = 0;
    await start({ policy: { rate: 10 }, now: () => now });
    const vault = await client();
    const ask = async (times: number): Promise<number> => {
      const results = await Promise.allSettled(Array.from({ length: times }, () => vault.ecdhKeys()));
      return results.filter(({ status }) => status === 'fulfilled').length;
    };
    assert.equal(await ask(15), 10);
    await rejected(vault.ecdhKeys(), 'agent-busy');
    now = 500;
    assert.equal(await ask(15), 5);
  });

  it('is waited for by its clients while it is busy, or away for a while', async () => {
    const own = await newVault(folder('vault'));
    let now = 0;
    const first = await start({ vault: own, policy: { rate: 10 }, now: () => (now += 30) });
    const vault = await client({ patienceMs: 30_000 });
    const envelope = await sealTo(peer, vault, 'x', await currentKey(own));
    const texts = await Promise.all(Array.from({ length: 40 }, () => openText(vault, envelope)));
    assert.ok(texts.every((text) => text === 'x'));
    await first.stop();
    const waiting = openText(vault, envelope);
    await start({ vault: await reopen(folder('vault')) });
    assert.equal(await waiting, 'x');
  });

  it('takes messages larger than any block, and refuses what its answers could not hold', async () => {
    await start();
    const [vault, other] = [await client(), await client()];
    const recipientKey = await currentKey(peer);
    const { identity: to } = peer;
    const message = (length: number) => ({ genesisHash, to, nonce: 1n, body: bodyOf(length) });
    const bodyOf = (length: number) => ({ kind: 'data' as const, content: new Uint8Array(length).fill(7) });
    const header = { recipientKey, sentAt: 2n };
    // Variant and length before the content.
    const greatest = maxFrame - 1_024 - 5;
    for (const length of [4_000_000, greatest]) {
      const kept = await vault.keep(message(length));
      const { body: _, ...rest } = message(length);
      for (const envelope of [
        await vault.sealKept({ ...rest, ...header, kept }),
        await vault.seal({ ...message(length), ...header }),
      ])
        assert.equal((await peer.open({ genesisHash, envelope })).body.kind, 'data');
    }
    const back = await peer.seal({
      ...message(greatest),
      ...header,
      to: vault.identity,
      recipientKey: await currentKey(vault),
    });
    assert.deepEqual((await vault.open({ genesisHash, envelope: back })).body, bodyOf(greatest));
    for (const refused of [
      () => vault.keep(message(greatest + 1)),
      () => vault.seal({ ...message(greatest + 1), ...header }),
      () => vault.sealPhala({ recipientKey, content: new Uint8Array(maxFrame - 5 - 32) }),
      () => vault.openPhala(new Uint8Array(maxFrame)),
    ])
      await rejected(refused(), 'bad-value');
    assert.equal((await other.ecdhKeys()).length, 1);
    assert.equal((await vault.ecdhKeys()).length, 1);
  });

  it('gives its vault up when nobody asked for so long', async () => {
    // So long that a busy machine asks in time.
    const agent = await start({ policy: { idleLockMs: 3_000 } });
    const vault = await client();
    for (let n = 0; n < 40; n++) {
      await sleep(100);
      await vault.ecdhKeys();
    }
    assert.equal(await agent.stopped, 'idle');
    await rejected(vault.ecdhKeys(), 'agent-gone');
  });

  describe('with a hostile client', () => {
    it('cuts it off for garbage, giant frames and wrong beginnings, and serves the others', async () => {
      await start();
      const good = await client();
      const beginnings = [
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.from([0xff, 0xff, 0xff, 0xff]),
        Buffer.from(frame(new Uint8Array(3))),
        Buffer.from(frame(new TextEncoder().encode('khala-relay agenT\u0001'))),
        Buffer.concat([frame(encodeHello()), frame(Uint8Array.of(1, 2))]),
        Buffer.concat([frame(encodeHello()), Buffer.from([1, 0, 0x80, 0])]),
      ];
      for (const bytes of beginnings) {
        const socket = raw();
        socket.write(bytes);
        await closed(socket);
        assert.equal((await good.ecdhKeys()).length, 1);
      }
      assert.equal(maxFrame, 1 << 23);
    });

    it('leaves one that says nothing, that stops within a frame, or that reads no answers', async function () {
      this.timeout(60_000);
      await start();
      const good = await client();
      const silent = raw();
      const half = raw();
      half.write(Buffer.concat([frame(encodeHello()), Buffer.from([9, 0, 0, 0, 1])]));
      const deaf = raw();
      deaf.pause();
      deaf.write(frame(encodeHello()));
      const request = frame(Uint8Array.of(0, 0, 0, 0, 0));
      const many = Buffer.concat(Array.from({ length: 50_000 }, () => request));
      let written = 0;
      const flood = setInterval(() => {
        if (deaf.writableLength < many.length) written += deaf.write(many) ? 1 : 0;
      }, 10);
      closing.push(() => clearInterval(flood));
      const deafGone = gone(deaf);
      await Promise.all([closed(silent), closed(half), deafGone.then(() => clearInterval(flood))]);
      assert.ok(written >= 0);
      assert.equal((await good.ecdhKeys()).length, 1);
    });

    it('answers a client of another version with its own, and hangs up', async () => {
      await start();
      const socket = raw();
      const hello = encodeHello();
      hello[hello.length - 1] = 9;
      socket.write(frame(hello));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      assert.equal(answer.subarray(4, 21).toString(), 'khala-relay agent');
      assert.equal(answer[21], 1);
      await closed(socket);
    });

    it('answers any request with an answer or ends that connection, and lives on', async () => {
      await start();
      const good = await client();
      await fc.assert(
        fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), async (requests) => {
          const socket = raw();
          socket.write(Buffer.concat([frame(encodeHello()), ...requests.map((request) => frame(request))]));
          socket.end();
          await closed(socket);
          assert.equal((await good.ecdhKeys()).length >= 1, true);
        }),
        { numRuns: 100 },
      );
    });
  });

  describe('with a hostile agent', () => {
    it('the client fails with an error of its own for each', async () => {
      await mkdir(folder('run'), { mode: 0o700 });
      const good = Buffer.from(frame(encodeHello(Uint8Array.of(...new Uint8Array(32).fill(1), 0))));
      const other = frame(encodeHello());
      other[21] = 7;
      const answers: readonly (readonly [string, (socket: Socket) => void])[] = [
        ['agent-protocol', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n............')],
        ['agent-version', (socket) => socket.write(other)],
        ['agent-gone', (socket) => socket.destroy()],
        ['agent-gone', () => undefined],
        ['truncated', (socket) => socket.write(frame(encodeHello()))],
      ];
      for (const [code, answer] of answers) {
        const server = createServer(
          (socket) => void socket.on('error', () => undefined).once('data', () => answer(socket)),
        );
        await new Promise<void>((resolve) => server.listen(path, resolve));
        await rejected(connectAgent({ socket: path, timeoutMs: 300 }), code as 'agent-gone');
        await new Promise((resolve) => server.close(resolve));
      }
      for (const reply of [
        frame(Uint8Array.of(9, 9, 9, 9, 0)),
        frame(Uint8Array.of(0, 0, 0, 0, 5)),
        frame(Uint8Array.of(1)),
      ]) {
        const server = createServer((socket) => {
          socket
            .on('error', () => undefined)
            .once('data', () => {
              socket.write(good);
              socket.on('data', () => socket.write(reply));
            });
        });
        await new Promise<void>((resolve) => server.listen(path, resolve));
        const vault = await connectAgent({ socket: path, patienceMs: 0 });
        await rejected(vault.ecdhKeys(), 'agent-protocol', 'truncated');
        await vault.close();
        await new Promise((resolve) => server.close(resolve));
      }
    });
  });

  it('refuses another user', async function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') {
      process.stderr.write('SKIPPED: the agent refuses another user: needs root, to be another user\n');
      this.skip();
    }
    await start();
    await chmod(folder(), 0o755);
    await chmod(folder('run'), 0o755);
    await chmod(path, 0o777);
    const script = `
      const socket = require('node:net').connect(${JSON.stringify(path)});
      socket.on('error', () => undefined);
      socket.on('connect', () => console.log('connected'));
      socket.on('connect', () => socket.write(Buffer.from(${JSON.stringify(Buffer.from(frame(encodeHello())).toString('hex'))}, 'hex')));
      socket.on('data', () => { console.log('answered'); process.exit(); });
      socket.on('close', () => console.log('closed'));
    `;
    const as = (uid: number): Promise<string> =>
      new Promise((resolve) =>
        execFile(process.execPath, ['-e', script], { uid, gid: uid, timeout: 20_000 }, (_, out) => resolve(out.trim())),
      );
    assert.equal(await as(65_534), 'connected\nclosed');
    assert.equal(await as(0), 'connected\nanswered');
  });
});
