import assert from 'node:assert/strict';
import { readFile, open } from 'node:fs/promises';
import { toHex, fromHex } from '../../../src/codec/index.ts';
import { agree, deriveCommKey, keyPairFromSeed, ready } from '../../../src/crypto/index.ts';
import { decodeContainer, openContainer } from '../../../src/vault/container.ts';
import { decodeContents } from '../../../src/vault/contents.ts';
import { passphraseSealer } from '../../../src/vault/passphrase-sealer.ts';
import { startChild, type Child } from '../../support/child.ts';
import { useTempDir } from '../../support/temp-dir.ts';
import { currentKey, newVault, sealTo } from '../../support/vaults.ts';

/** All readable memory of a process, a range of addresses at a time. */
async function* memoryOf(pid: number): AsyncGenerator<Buffer> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  await using memory = await open(`/proc/${pid}/mem`, 'r');
  for (const line of maps.split('\n')) {
    const [, begin, end] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? [];
    if (begin === undefined || end === undefined || /\[(vvar|vsyscall)/.test(line)) continue;
    const chunk = 1 << 24;
    const overlap = 128;
    for (let at = Number.parseInt(begin, 16); at < Number.parseInt(end, 16); at += chunk - overlap) {
      const buffer = Buffer.alloc(Math.min(chunk, Number.parseInt(end, 16) - at));
      const read = await memory.read(buffer, 0, buffer.length, at).catch(() => ({ bytesRead: 0 }));
      if (read.bytesRead > 0) yield buffer.subarray(0, read.bytesRead);
      if (buffer.length < chunk) break;
    }
  }
}

/** Names of the secrets whose bytes are somewhere in the memory of a process. */
async function found(pid: number, secrets: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const names = new Set<string>();
  for await (const part of memoryOf(pid))
    for (const [name, bytes] of secrets) if (part.indexOf(bytes) !== -1) names.add(name);
  return [...names].sort();
}

describe('vault agent: the memory of a process', function () {
  this.timeout(120_000);
  const folder = useTempDir();
  let children: Child[] = [];
  before(async function () {
    if (process.platform !== 'linux') {
      process.stderr.write('SKIPPED: the memory of an agent client: needs Linux (/proc/PID/mem)\n');
      this.skip();
    }
    await ready();
  });
  afterEach(async () => {
    await Promise.all(children.map((child) => child.kill()));
    children = [];
  });

  it('that uses an agent holds no secret of the vault; of one that opened the file itself it does', async () => {
    const identity = keyPairFromSeed(crypto.getRandomValues(new Uint8Array(32)));
    const passphrase = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const vault = await newVault(folder('vault'), { identity, passphrase });
    const peer = await newVault(folder('peer'));
    const args = [toHex(await currentKey(peer)), peer.identity, toHex(await sealTo(peer, vault, 'x'))];
    const run = async (...of: readonly string[]): Promise<Child> => {
      const child = startChild(new URL('agent-child.ts', import.meta.url), ...of);
      children.push(child);
      await child.line();
      return child;
    };
    const socket = folder('run', 'socket');
    await run('serve', folder('vault'), socket, passphrase);
    const client = await run('use', `agent:${socket}`, ...args);
    const opener = await run('use', folder('vault'), ...args, passphrase);

    const container = decodeContainer(await readFile(folder('vault')), 'vault');
    const fileKey = await passphraseSealer(passphrase).deriveKey(container.parameters);
    const { epochs } = decodeContents(openContainer(fileKey, container, 'vault'), 'vault');
    const [first] = epochs;
    assert.ok(first !== undefined && epochs.length > 1);
    const peerKey = fromHex(args[0]!);
    const z = agree(first.keyPair.secretKey, peerKey);
    const scalar = (secretKey: Uint8Array): Uint8Array => secretKey.subarray(0, 32);
    const times8 = (secretKey: Uint8Array): Uint8Array => {
      const value = BigInt(toHex(scalar(secretKey).slice().reverse())) * 8n;
      return fromHex(`0x${value.toString(16).padStart(64, '0')}`).reverse();
    };
    const secrets = new Map<string, Uint8Array>([
      ['IdentityKey: scalar', scalar(identity.secretKey)],
      ['IdentityKey: scalar in the other layout', times8(identity.secretKey)],
      ['IdentityKey: nonce seed', identity.secretKey.subarray(32)],
      ...epochs.flatMap(({ epoch, keyPair }): [string, Uint8Array][] => [
        [`EcdhKey ${epoch}: scalar`, scalar(keyPair.secretKey)],
        [`EcdhKey ${epoch}: nonce seed`, keyPair.secretKey.subarray(32)],
      ]),
      ['Z', z],
      ['CommKey to the peer', deriveCommKey({ z, senderKey: first.keyPair.publicKey, recipientKey: peerKey })],
      ['CommKey from the peer', deriveCommKey({ z, senderKey: peerKey, recipientKey: first.keyPair.publicKey })],
      ['key of the file', fileKey],
      ['passphrase', new TextEncoder().encode(passphrase)],
    ]);
    assert.deepEqual(await found(client.pid, secrets), []);

    const inOpener = await found(opener.pid, secrets);
    const expected = [
      'CommKey from the peer',
      'CommKey to the peer',
      'EcdhKey 0: scalar',
      'IdentityKey: nonce seed',
      'IdentityKey: scalar',
      'Z',
      'key of the file',
      'passphrase',
    ];
    assert.deepEqual(
      expected.filter((name) => !inOpener.includes(name)),
      [],
    );
  });
});
