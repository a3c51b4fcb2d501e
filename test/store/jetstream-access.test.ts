import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nkeys } from '@nats-io/transport-node';
import { afterEach, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError, type RelayError } from '../../src/errors/index.ts';
import { connectNats } from '../../src/store/jetstream/connect.ts';
import { Link } from '../../src/store/jetstream/link.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import type { JetStreamMailStoreOptions } from '../../src/store/jetstream/options.ts';
import { until } from '../support/until.ts';
import { describeNats, startNats, type NatsServer, type NatsServerOptions } from '../support/nats-server.ts';

type Nats = Partial<JetStreamMailStoreOptions['nats']>;

const alice: Hex = `0x${'a1'.repeat(32)}`;
const pem = (name: string): string => fileURLToPath(new URL(`../relay/certificates/${name}.pem`, import.meta.url));
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describeNats('MailStore: jetstream, who may come in', () => {
  let server: NatsServer | undefined;
  afterEach(() => server?.stop());

  const start = async (options: NatsServerOptions): Promise<void> => {
    server = await startNats(options);
  };
  const works = async (nats: Nats): Promise<void> => {
    await using store = await open(nats);
    await store.append(alice, alice, bytes('hello'));
    assert.equal((await store.read(alice, 0n)).length, 1);
  };
  const open = (nats: Nats) =>
    openJetStreamMailStore({
      name: 'access',
      shards: 1,
      nats: { servers: [server?.url ?? ''], connectTimeoutMs: 5_000, ...nats },
    });
  const refused = async (nats: Nats): Promise<void> => {
    await assert.rejects(
      open(nats),
      (error) => isRelayError(error, 'nats-failed') && !error.message.includes('secret'),
    );
  };

  it('lets nothing wait for a connection that was closed', async () => {
    await start({});
    const link = new Link(
      await connectNats({ servers: [server?.url ?? ''] }),
      () => undefined,
      () => undefined,
    );
    const cut = assert.rejects(
      link.untilCut(() => new Promise(() => undefined)),
      (error) => isRelayError(error, 'mail-store-failed'),
    );
    let answers = 0;
    link.listen(() => (answers += 1));
    await link.close();
    await cut;
    await until(() => answers === 1);
  });

  it('comes back when a server knows its credentials again, however often it was refused meanwhile', async () => {
    const of = (password: string) => ({
      config: `authorization { users: [{ user: relay, password: "${password}" }] }`,
    });
    const folder = await mkdtemp(join(tmpdir(), 'khala-relay-nats-'));
    try {
      await start({ ...of('right'), folder });
      const port = server?.port ?? 0;
      let refusals = 0;
      await using store = await openJetStreamMailStore({
        ...{ name: 'access', shards: 1, timeoutMs: 2_000 },
        nats: { servers: [server?.url ?? ''], credentials: bytes('relay:right') },
        onBackgroundFailure: () => undefined,
      });
      await store.append(alice, alice, bytes('hello'));
      await server?.stop();
      // One that refuses it, and says so each time.
      const refusing = createServer((socket) => {
        const info = {
          server_id: 'x',
          version: '2.15.1',
          auth_required: true,
          headers: true,
          jetstream: true,
          proto: 1,
        };
        socket.on('error', () => undefined);
        socket.write(`INFO ${JSON.stringify({ ...info, max_payload: 1_000_000, host: '127.0.0.1', port })}\r\n`);
        socket.once('data', () => {
          refusals += 1;
          socket.end("-ERR 'Authorization Violation'\r\n");
        });
      });
      await new Promise<void>((resolve) => refusing.listen(port, '127.0.0.1', resolve));
      await until(() => refusals > 3);
      await new Promise((resolve) => refusing.close(resolve));
      await start({ ...of('right'), folder, port });
      await until(() =>
        store.check().then(
          () => true,
          () => false,
        ),
      );
      assert.equal((await store.read(alice, 0n)).length, 1);
    } finally {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    }
  }).timeout(60_000);

  it('tells where its connection is closed for good and nobody closed it, and not where it was closed', async () => {
    await start({});
    const servers = [server?.url ?? ''];
    const ended: RelayError[] = [];
    const connection = await connectNats({ servers });
    const link = new Link(
      connection,
      () => undefined,
      (error) => ended.push(error),
    );
    await connection.close();
    await until(() => ended.length === 1);
    assert.ok(isRelayError(ended[0], 'nats-failed'));
    assert.throws(
      () => {
        link.check();
      },
      (error) => isRelayError(error, 'mail-store-failed'),
    );
    const store = await open({});
    let isEnded = false;
    void store.ended?.then(() => (isEnded = true));
    await store.close();
    await new Promise(setImmediate);
    assert.ok(store.ended !== undefined && !isEnded);
  });

  it('speaks TLS with a server that the given authority vouches for, and with no other', async () => {
    await start({ config: `tls { cert_file: "${pem('first.cert')}", key_file: "${pem('first.key')}" }` });
    const servers = [`tls://127.0.0.1:${server?.port}`];
    await works({ servers, tls: { ca: readFileSync(pem('first.cert'), 'utf8') } });
    await refused({ servers });
    await refused({ servers, tls: { ca: readFileSync(pem('second.cert'), 'utf8') } });
  });

  it('shows its own certificate to a server that wants one', async () => {
    const files = `cert_file: "${pem('first.cert')}", key_file: "${pem('first.key')}"`;
    await start({ config: `tls { ${files}, ca_file: "${pem('second.cert')}", verify: true }` });
    const servers = [`tls://127.0.0.1:${server?.port}`];
    const ca = readFileSync(pem('first.cert'), 'utf8');
    const [cert, key] = ['second.cert', 'second.key'].map((name) => readFileSync(pem(name), 'utf8'));
    assert.ok(cert !== undefined && key !== undefined);
    await works({ servers, tls: { ca, cert, key } });
    await refused({ servers, tls: { ca } });
  });

  it('refuses a server without TLS where TLS is asked for', async () => {
    await start({});
    await refused({ servers: [`tls://127.0.0.1:${server?.port}`] });
  });

  it('proves an nkey', async () => {
    const user = nkeys.createUser();
    await start({ config: `authorization { users: [{ nkey: ${user.getPublicKey()} }] }` });
    await works({ credentials: user.getSeed() });
    await refused({ credentials: nkeys.createUser().getSeed() });
    await refused({});
  });

  it('gives a user and a password', async () => {
    await start({ config: 'authorization { users: [{ user: relay, password: "a:secret" }] }' });
    await works({ credentials: bytes('relay:a:secret\n') });
    await refused({ credentials: bytes('relay:another-secret') });
  });

  it('proves who it is by a .creds file', async () => {
    const [operator, account, system, user] = [
      nkeys.createOperator(),
      nkeys.createAccount(),
      nkeys.createAccount(),
      nkeys.createUser(),
    ];
    const open = { subs: -1, data: -1, payload: -1 };
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const limits = { ...open, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1, ...storage };
    const accountOf = (key: nkeys.KeyPair, more: object): string =>
      jwt(operator, key, { type: 'account', limits: { ...limits, ...more } });
    await start({
      config: [
        `operator: ${jwt(operator, operator, { type: 'operator' })}`,
        `system_account: ${system.getPublicKey()}`,
        'resolver: MEMORY',
        'resolver_preload: {',
        `  ${account.getPublicKey()}: ${accountOf(account, {})}`,
        `  ${system.getPublicKey()}: ${accountOf(system, { mem_storage: 0, disk_storage: 0 })}`,
        '}',
      ].join('\n'),
    });
    const credsOf = (key: nkeys.KeyPair): Uint8Array =>
      bytes(`-----BEGIN NATS USER JWT-----
${jwt(account, key, { type: 'user', ...open })}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(key.getSeed())}
------END USER NKEY SEED------
`);
    await works({ credentials: credsOf(user) });
    await refused({ credentials: bytes('no credentials at all') });
    await refused({});
  });

  it('goes on where it may not hear of other processes, and says so', async () => {
    const permissions = 'permissions: { subscribe: { deny: "khala.*.w.*" } }';
    await start({ config: `authorization { users: [{ user: relay, password: secret, ${permissions} }] }` });
    const failures: string[] = [];
    await using store = await openJetStreamMailStore({
      ...{ name: 'access', shards: 1 },
      nats: { servers: [server?.url ?? ''], credentials: bytes('relay:secret') },
      onBackgroundFailure: (error) => failures.push(error.message),
    });
    await until(() => failures.length > 0);
    assert.match(failures[0] ?? '', /hear of other processes.*permission/i);
    await store.append(alice, alice, bytes('hello'));
    assert.equal((await store.read(alice, 0n)).length, 1);
  });
});

/** As `nsc` makes them: signed with Ed25519 by an nkey. */
function jwt(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, nats: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    jti: subject.getPublicKey(),
    iat: Math.trunc(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'test',
    nats: { ...nats, version: 2 },
  };
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`;
  return `${signed}.${Buffer.from(issuer.sign(bytes(signed))).toString('base64url')}`;
}
