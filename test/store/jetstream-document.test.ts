import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectNats, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import { afterEach, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { freePort } from '../support/free-port.ts';
import { describeNats, startNats, type NatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

const pem = (name: string): string => fileURLToPath(new URL(`../relay/certificates/${name}.pem`, import.meta.url));
const alice: Hex = `0x${'a1'.repeat(32)}`;

/** The configuration of docs/jetstream.md. */
function documented(): string {
  const text = readFileSync(new URL('../../docs/jetstream.md', import.meta.url), 'utf8');
  const [, block] = /```\n(server_name: n1\n[^]*?)```/.exec(text) ?? [];
  assert.ok(block !== undefined);
  return block;
}

/** Each of these stands in the text. */
function replaced(text: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((done, [from, to]) => {
    assert.ok(done.includes(from), from);
    return done.replaceAll(from, to);
  }, text);
}

describeNats('MailStore: jetstream, the cluster of docs/jetstream.md', function () {
  this.timeout(60_000);
  const servers: NatsServer[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

  it('keeps three copies, takes mail without one of its nodes, and lets no other node in', async () => {
    const user = nkeys.createUser();
    const routes = await Promise.all([1, 2, 3].map(freePort));
    const configOf = (at: number) => (port: number, folder: string) => {
      const [second, third] = routes.filter((_, other) => other !== at);
      return replaced(documented(), [
        ['server_name: n1', `server_name: n${at + 1}`],
        ['0.0.0.0:4222', `127.0.0.1:${port}`],
        ['/var/lib/nats', `"${folder}"`],
        ['200G', '1G'],
        ['0.0.0.0:6222', `127.0.0.1:${routes[at]}`],
        ['n2.example:6222', `127.0.0.1:${second}`],
        ['n3.example:6222', `127.0.0.1:${third}`],
        ['/etc/nats/n1.pem', `"${pem('first.cert')}"`],
        ['/etc/nats/n1.key', `"${pem('first.key')}"`],
        ['/etc/nats/ca.pem', `"${pem('first.cert')}"`],
        ['UB…', user.getPublicKey()],
      ]);
    };
    servers.push(...(await Promise.all([0, 1, 2].map((at) => startNats({ whole: configOf(at) })))));
    const nats = {
      servers: servers.map(({ port }) => `tls://127.0.0.1:${port}`),
      credentials: user.getSeed(),
      tls: { ca: readFileSync(pem('first.cert'), 'utf8') },
    };
    // Until the three have found each other there is no leader.
    const open = () => openJetStreamMailStore({ name: 'document', shards: 1, nats });
    await using store = await until(() => open().catch(() => undefined));
    const first = await store.append(alice, alice, new TextEncoder().encode('hello'));

    const link = await connectNats({
      ...{ servers: nats.servers, tls: nats.tls },
      authenticator: nkeyAuthenticator(user.getSeed()),
    });
    const { config } = await (await jetstreamManager(link)).streams.info('KHALA_document_0');
    assert.equal(config.num_replicas, 3);
    await link.close();

    await servers[0]?.kill();
    assert.deepEqual(await store.append(alice, alice, new TextEncoder().encode('hello')), {
      cursor: first.cursor,
      duplicate: true,
    });

    const [cert, key] = [pem('first.cert'), pem('first.key')].map((path) => readFileSync(path));
    const node = { port: routes[1] ?? 0, host: '127.0.0.1', ca: nats.tls.ca };
    assert.match(await greeting({ ...node, cert, key }), /^INFO .*"cluster":"khala"/);
    await assert.rejects(greeting(node), /certificate required/);
  });
});

/** What a node says to who would be one. */
function greeting(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    socket.once('error', reject).once('data', (data: Buffer) => {
      socket.destroy();
      resolve(data.toString());
    });
  });
}
