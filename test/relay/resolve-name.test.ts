import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LookupAddress } from 'node:dns';
import { afterEach, describe, it } from 'mocha';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import { createNameResolver, type NameResolverOptions } from '../../src/relay/resolve-name.ts';
import { Cleanup } from './support.ts';

const [typeA, typeAaaa] = [1, 28];

/** The name and the type that a DNS query asks for (RFC 1035 §4.1.2). */
function questionOf(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** With one record, or none. */
function responseTo(query: Buffer, record: Buffer | undefined, type: number, end: number): Buffer {
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(record === undefined ? 0 : 1, 6);
  header.writeUInt32BE(0, 8);
  const question = query.subarray(12, end);
  if (record === undefined) return Buffer.concat([header, question]);
  const answer = Buffer.alloc(12);
  answer.writeUInt16BE(0xc00c, 0);
  answer.writeUInt16BE(type, 2);
  answer.writeUInt16BE(1, 4);
  answer.writeUInt16BE(record.length, 10);
  return Buffer.concat([header, question, answer, record]);
}

describe('relay: names', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Knows `v4.test`, `both.test` and `slow6.test`, whose AAAA is silent; says nothing to `*.silent.test` until `speak`. */
  const dns = async () => {
    const socket = createSocket('udp4');
    cleanup.add(socket, () => socket.close());
    const asked: string[] = [];
    const held: (() => void)[] = [];
    socket.on('message', (query, { port, address }) => {
      const { name, type, end } = questionOf(query);
      asked.push(name);
      if (name === 'slow6.test' && type === typeAaaa) return;
      const v4 = name.endsWith('.test') && type === typeA ? Buffer.from([127, 0, 0, 1]) : undefined;
      const v6 = name === 'both.test' && type === typeAaaa ? Buffer.from([...Array<number>(15).fill(0), 1]) : undefined;
      const answer = (): void => {
        socket.send(responseTo(query, v4 ?? v6, type, end), port, address);
      };
      if (name.endsWith('silent.test')) held.push(answer);
      else answer();
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return { server: `127.0.0.1:${socket.address().port}`, asked, speak: () => held.forEach((answer) => answer()) };
  };
  const resolver = (options: NameResolverOptions) => {
    const resolve = createNameResolver(options);
    return (name: string) =>
      new Promise<readonly LookupAddress[]>((found, failed) => {
        resolve(name, (error, addresses = []) => {
          if (error === null) found(addresses);
          else failed(error);
        });
      });
  };
  const v4 = { address: '127.0.0.1', family: 4 };
  const v6 = { address: '::1', family: 6 };

  it('are asked for in DNS, for both families', async () => {
    const { server } = await dns();
    const resolve = resolver({ servers: [server] });
    assert.deepEqual(await resolve('v4.test'), [v4]);
    assert.deepEqual(await resolve('BOTH.test.'), [v4, v6]);
  });

  it('that DNS servers do not know fail, and so do those whose servers are silent, at their time', async () => {
    const { server } = await dns();
    const resolve = resolver({ servers: [server], timeoutMs: 200 });
    await assert.rejects(resolve('none.example'), { code: 'ENODATA' });
    await assert.rejects(resolve('a.silent.test'), /ETIMEOUT|ECANCELLED/);
  });

  it('do not wait for a family that is silent where the other one answers', async () => {
    const { server } = await dns();
    const resolve = resolver({ servers: [server], timeoutMs: 600_000 });
    assert.deepEqual(await resolve('slow6.test'), [v4]);
  });

  it('whose servers are silent hold up no other, however many they are', async () => {
    const { server, speak } = await dns();
    const resolve = createNameResolver({ servers: [server], timeoutMs: 60_000 });
    const options = { resolve, allowPrivate: true, timeoutMs: 60_000 };
    const made = cleanup.add(createNodeTransport(options), (transport) => transport.close());
    const post = (name: string) => made.post(`http://${name}:1/`, Uint8Array.of(1), new AbortController().signal);
    const silent = Array.from({ length: 64 }, (_, n) => post(`n${n}.silent.test`).catch((error: unknown) => error));
    // It is found while they are all waited for, and there the connection is refused.
    await assert.rejects(post('v4.test'), /ECONNREFUSED/);
    speak();
    await Promise.all(silent);
  });

  it('of the hosts file, and localhost, are asked of nobody', async () => {
    const { server, asked } = await dns();
    const hostsFile = join(await cleanup.folder(), 'hosts');
    await writeFile(
      hostsFile,
      '# here\n10.0.0.7\trelay.test Relay # its name\n fd00::7 relay.test\nnonsense relay.test\n',
    );
    const resolve = resolver({ servers: [server], hostsFile });
    const found = [
      { address: '10.0.0.7', family: 4 },
      { address: 'fd00::7', family: 6 },
    ];
    assert.deepEqual(await resolve('relay.test'), found);
    assert.deepEqual(await resolve('relay'), found.slice(0, 1));
    assert.deepEqual(await resolve('localhost'), [v4, v6]);
    assert.deepEqual(await resolve('a.localhost'), [v4, v6]);
    assert.deepEqual(asked, []);
    // Without a hosts file there is DNS.
    const bare = resolver({ servers: [server], hostsFile: `${hostsFile}.gone` });
    assert.deepEqual(await bare('relay.test'), [v4]);
  });

  it('that no DNS server knows are asked of the system where that is wanted', async () => {
    const { server } = await dns();
    const resolve = resolver({ servers: [server], hostsFile: '/nonexistent', askSystem: true });
    await assert.rejects(resolve('nope.invalid'), { syscall: 'getaddrinfo' });
  });
});
