import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { after, afterEach, before, describe, it } from 'mocha';
import { WebSocketServer } from 'ws';
import { decodeSignedEnvelope, fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import { agree, deriveCommKey, keyPairFromSeed, openEnvelope, ready } from '../../src/crypto/index.ts';
import { catalogue, type CatalogueEntry } from '../../src/errors/index.ts';
import { nodeOnlyErrors } from '../../src/errors/node-only.ts';
import type { Delivery } from '../../src/inbox/index.ts';
import { until } from '../support/until.ts';
import { alice, bob, Cleanup, genesisHash, message } from '../relay/support.ts';
import { bundle, openPage, type OpenPage, type PageOptions } from '../support/chromium.ts';
import { root } from '../support/import-graph.ts';
import { bodyOf, headerOf, keysOf, vectors, type VectorEnvelope } from '../support/vectors.ts';
import { Conversations } from '../relay/conversation.ts';
import type { Asking, Sealed, Sending, VaultSealing } from './page.ts';

const largestBundle = 120_000;
const sender = keysOf('alice');
const recipient = keysOf('bob');

describe('browser (Chromium)', function () {
  this.timeout(60_000);
  const cleanup = new Cleanup();
  let open: OpenPage;

  before(async () => {
    await ready();
    open = await openPage(join(import.meta.dirname, 'page.ts'));
  });
  afterEach(() => cleanup.run());
  after(() => open[Symbol.asyncDispose]());

  const relayOfRecipient = () => cleanup.relay({ recipients: [recipient.identityPublic] });
  const send = (endpoint: string, text: string, allowPrivate = true): Promise<string> => {
    const sending: Sending = { genesisHash, endpoint, text, allowPrivate, sender, recipient };
    return open.page.evaluate((given) => globalThis.testPage.send(given), sending);
  };

  // As it is published: `browser` in package.json is of that.
  const published = () => bundle(join(root, 'dist', 'web', 'browser.js'));

  it('is served by less than 120 kB, compressed', async () => {
    const bytes = gzipSync(await published()).length;
    assert.ok(bytes < largestBundle, `${bytes} bytes`);
  });

  it('has no words for failures of what no browser has, and makes none of them', async () => {
    const code = Buffer.from(await published()).toString();
    const said = Object.entries<CatalogueEntry>(nodeOnlyErrors).filter(
      ([name, { message }]) => code.includes(message) || code.includes(`("${name}"`) || code.includes(`,"${name}")`),
    );
    assert.deepEqual(said, []);
    assert.ok(code.includes(catalogue['endpoint-failed'].message));
  });

  for (const scheme of ['ws', 'http'])
    it(`sends over ${scheme} to a relay of another origin what only the recipient opens`, async () => {
      const relay = await relayOfRecipient();
      assert.equal(await send(relay.url.replace(/^http/, scheme), `by ${scheme}`), 'stored');
      const [mail] = await relay.mailStore.read(recipient.identityPublic, 0n);
      assert.ok(mail !== undefined);
      const { envelope } = decodeSignedEnvelope(mail.bytes);
      const z = agree(keyPairFromSeed(recipient.ecdhSeed).secretKey, fromHex(sender.ecdhPublic));
      const keys = { senderKey: fromHex(sender.ecdhPublic), recipientKey: fromHex(recipient.ecdhPublic) };
      const { header, body } = openEnvelope({ commKey: deriveCommKey({ z, ...keys }), genesisHash, envelope });
      assert.equal(header.from, sender.identityPublic);
      assert.ok(body.kind === 'data');
      assert.equal(new TextDecoder().decode(body.content), `by ${scheme}`);
    });

  it('gets the reason of a refusal, over ws and across origins over http', async () => {
    const relay = await cleanup.relay({ recipients: [bob.identity] });
    for (const scheme of ['ws', 'http'])
      assert.equal(await send(relay.url.replace(/^http/, scheme), 'not his relay'), 'recipient-not-served');
  });

  it('dials no private address unless told to', async () => {
    const relay = await relayOfRecipient();
    for (const endpoint of [relay.url, 'http://[::ffff:127.0.0.1]:1', 'http://2130706433:1'])
      assert.equal(await send(endpoint, 'no', false), 'endpoint-refused');
  });

  describe('bounds what a hostile endpoint says', () => {
    it('over http: an answer without an end is cut', async () => {
      let ended = 0;
      const server = createServer((request, response) => {
        response.setHeader('access-control-allow-origin', '*');
        response.setHeader('access-control-allow-headers', '*');
        if (request.method === 'OPTIONS') {
          response.end();
          return;
        }
        response.on('close', () => ended++);
        const talk = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        };
        response.on('drain', talk);
        talk();
      });
      assert.equal(await send(await listening(server, 'http'), 'hello'), 'endpoint-failed');
      await until(() => ended === 1);
    });

    it('over ws: a message that is too long ends the connection', async () => {
      const server = createServer();
      let ended = 0;
      new WebSocketServer({ server }).on('connection', (socket) => {
        socket.send(new Uint8Array(2 ** 20 + 1));
        socket.on('close', () => ended++);
      });
      assert.equal(await send(await listening(server, 'ws'), 'hello'), 'relay-connection-lost');
      // Once more, since a connection may have been gone before.
      await until(() => ended === 2);
    });

    const listening = async (server: Server, scheme: string): Promise<string> => {
      cleanup.add(server, () => {
        server.closeAllConnections();
        server.close();
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    };
  });

  it('reads its mailbox: proves its identity, gets each message once and acknowledges it', async () => {
    const relay = await relayOfRecipient();
    const mail = [1, 2, 3].map((n) =>
      message(alice, { ...bob, identity: recipient.identityPublic }, { text: `mail ${n}` }),
    );
    for (const { id, bytes } of mail) await relay.mailStore.append(recipient.identityPublic, id, bytes);
    const reading = { genesisHash, url: relay.url, identitySeed: recipient.identitySeed, count: mail.length };
    const ids = await open.page.evaluate((given) => globalThis.testPage.read(given), reading);
    assert.deepEqual(
      ids,
      mail.map(({ id }) => id),
    );
    await until(async () => (await relay.mailStore.stats(recipient.identityPublic)).count === 0);
  });

  describe('talks to a worker', () => {
    const talk = new Conversations(cleanup);
    before(() => talk.start());
    after(() => talk.stop());

    /** A worker behind a relay that answers with the input reversed, and what a page knows of it. */
    const worker = async () => {
      const party = talk.party();
      const { identity } = party.vault;
      const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [identity] });
      await talk.register(party, [relay.url]);
      const inbox = await talk.inbox(party);
      const replier = talk.replier(party, { relays: [relay.url] });
      await talk.feed(party, relay.url, inbox, replier);
      const deliveries: Delivery[] = [];
      talk.serve(inbox, replier, {
        onInvocation: ({ input, delivery }) => {
          deliveries.push(delivery);
          return input.toReversed();
        },
        onMessage: (delivery) => {
          deliveries.push(delivery);
          return undefined;
        },
      });
      const asking: Asking = {
        genesisHash: talk.genesisHash,
        identitySeed: sender.identitySeed,
        to: identity,
        ecdhKey: toHex(talk.peers.get(identity)?.current.ecdhKey ?? new Uint8Array()),
        endpoints: [relay.url],
        contract: `0x${'c0'.repeat(32)}`,
        input: '0x010203',
      };
      return { asking, deliveries };
    };

    it('whose answer comes to the key that asked, registered or not', async () => {
      const { asking, deliveries } = await worker();
      const answered = await open.page.evaluate((given) => globalThis.testPage.ask(given), asking);
      assert.deepEqual(answered, { identity: sender.identityPublic, status: 'stored', content: '0x030201' });
      assert.equal(deliveries[0]?.from, sender.identityPublic);
    });

    it('from a key made for the message', async () => {
      const { asking, deliveries } = await worker();
      const sent = await open.page.evaluate((given) => globalThis.testPage.sendFresh(given), asking);
      await until(() => deliveries.length === 1);
      assert.equal(toHex(deliveries[0]?.senderKey ?? new Uint8Array()), sent.senderKey);
      assert.notEqual(sent.senderKey, sent.epochKey);
    });
  });

  describe('with the vectors of the protocol, byte for byte', () => {
    const sealedOf = ({ sender: from, recipient: to, envelope }: VectorEnvelope): Sealed => ({
      sender: keysOf(from),
      recipient: keysOf(to),
      bytes: envelope,
    });

    it('opens every envelope, and gives it its id', async () => {
      for (const vector of vectors.envelopes) {
        const opened = await open.page.evaluate(([genesis, given]) => globalThis.testPage.open(genesis, given), [
          vectors.genesisHash,
          sealedOf(vector),
        ] as const);
        assert.deepEqual(opened, { id: vector.messageId, plaintext: vector.plaintext });
      }
    });

    it('opens every envelope by the vault of its recipient', async () => {
      for (const vector of vectors.envelopes) {
        const plaintext = await open.page.evaluate(
          ([genesis, given]) => globalThis.testPage.openByVault(genesis, given),
          [vectors.genesisHash, sealedOf(vector)] as const,
        );
        assert.equal(plaintext, vector.plaintext);
      }
    });

    it('seals every envelope by the vault of its sender', async () => {
      for (const vector of vectors.envelopes) {
        const { sentAt, nonce, iv, envelope } = vector;
        const { from, fromKind } = headerOf(vector);
        const sealing: VaultSealing = {
          ...{ genesisHash: vectors.genesisHash, nonce, sentAt, iv, body: bodyOf(vector.body) },
          sender: keysOf(vector.sender),
          recipient: keysOf(vector.recipient),
          ...(fromKind === 'account' ? { account: toHex(fromHex(from as Hex)) } : {}),
        };
        const sealed = await open.page.evaluate((given) => globalThis.testPage.sealByVault(given), sealing);
        assert.equal(sealed, envelope);
      }
    });

    it('keeps the keys of messages where no script can read them', async () => {
      const exportable = await open.page.evaluate(
        ([genesis, given]) => globalThis.testPage.exportableKeys(genesis, given),
        [vectors.genesisHash, sealedOf(vectors.envelopes[0]!)] as const,
      );
      assert.deepEqual(exportable, [false]);
    });
  });

  it('opens what pRuntime seals', async () => {
    for (const vector of vectors.phalaEncryptedData) {
      const sealed = {
        sender: keysOf(vector.sender),
        recipient: keysOf(vector.recipient),
        bytes: vector.encryptedData,
      };
      const plaintext = await open.page.evaluate((given) => globalThis.testPage.openPhala(given), sealed);
      assert.equal(plaintext, vector.plaintext);
    }
  });

  describe('says what is in its way', () => {
    const refusals = async (options: PageOptions) => {
      await using other = await openPage(join(import.meta.dirname, 'page.ts'), options);
      return await other.page.evaluate(() => globalThis.testPage.refusals());
    };

    it('on a page whose policy forbids WebAssembly', async () => {
      const { keys } = await refusals({ policy: "script-src 'self'" });
      assert.equal(keys, 'wasm-refused');
      assert.deepEqual(await refusals({ policy: "script-src 'self' 'wasm-unsafe-eval'" }), {
        vault: 'none',
        keys: 'none',
      });
    });

    it('on a page that did not come by a secure way', async () => {
      assert.deepEqual(await refusals({ host: 'page.example' }), { vault: 'webcrypto-missing', keys: 'none' });
    });
  });
});
