import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'mocha';
import {
  decodeSignedEnvelope,
  encodeMessageBatch,
  signedEnvelopeToJson,
  type SignedEnvelopeJson,
} from '../../src/codec/index.ts';
import { RelayError, type catalogue } from '../../src/errors/index.ts';
import type { Relay, RelayOptions } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { until } from '../support/until.ts';
import { alice, bob, carol, Cleanup, message, type Entity, type TestMessage } from './support.ts';

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Record<string, unknown>;
}

const octets = 'application/octet-stream';
const batchType = 'application/vnd.khala-relay.batch';

describe('relay: HTTP', () => {
  const cleanup = new Cleanup();
  let relay: Relay & { readonly mailStore: MailStore };

  beforeEach(async () => {
    relay = await cleanup.relay();
  });
  afterEach(() => cleanup.run());

  const post = async (body: Uint8Array | string, type = octets, path = '/v1/messages'): Promise<Answer> => {
    const sent = typeof body === 'string' ? body : Uint8Array.from(body);
    const answer = await fetch(relay.url + path, { method: 'POST', headers: { 'content-type': type }, body: sent });
    return {
      status: answer.status,
      type: answer.headers.get('content-type') ?? '',
      body: (await answer.json()) as Record<string, unknown>,
    };
  };
  const json = ({ bytes }: TestMessage): SignedEnvelopeJson => signedEnvelopeToJson(decodeSignedEnvelope(bytes));
  const postJson = (value: unknown) => post(JSON.stringify(value), 'application/json');
  const waiting = async () => (await relay.mailStore.stats(bob.identity)).count;

  const refused = (answer: Answer, status: number, code: keyof typeof catalogue): void => {
    assert.deepEqual([answer.status, answer.body['code']], [status, code]);
    assert.match(answer.type, /^application\/problem\+json/);
    assert.ok(typeof answer.body['detail'] === 'string' && typeof answer.body['remedy'] === 'string');
  };

  it('stores a message given as bytes, as it came', async () => {
    const sent = message(alice, bob);
    const answer = await post(sent.bytes);
    assert.deepEqual([answer.status, answer.body], [202, { messageId: sent.id, status: 'stored' }]);
    const [mail] = await relay.mailStore.read(bob.identity, 0n);
    assert.deepEqual(Uint8Array.from(mail?.bytes ?? []), sent.bytes);
  });

  it('stores the same bytes for a message given as JSON', async () => {
    const sent = message(alice, bob);
    const answer = await postJson(json(sent));
    assert.deepEqual([answer.status, answer.body], [202, { messageId: sent.id, status: 'stored' }]);
    const [mail] = await relay.mailStore.read(bob.identity, 0n);
    assert.deepEqual(Uint8Array.from(mail?.bytes ?? []), sent.bytes);
  });

  it('takes a batch and answers for each message, in order', async () => {
    const [first, second] = [message(alice, bob), message(carol, bob)];
    const forged = { ...json(message(alice, bob)), sig: json(first).sig };
    const answer = await postJson([json(first), { from: 'x' }, json(second), forged, json(first)]);
    assert.equal(answer.status, 200);
    const results = answer.body['results'] as Record<string, unknown>[];
    assert.deepEqual(
      results.map((result) => result['status']),
      ['stored', 400, 'stored', 401, 'duplicate'],
    );
    assert.equal(await waiting(), 2);
  });

  it('takes a batch as bytes and answers for each message, in order', async () => {
    const [first, second] = [message(alice, bob), message(carol, bob)];
    const forged = message(alice, bob).bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte));
    const items = [first.bytes, new Uint8Array(3), second.bytes, forged, first.bytes];
    const answer = await post(encodeMessageBatch(items), batchType);
    assert.equal(answer.status, 200);
    const results = answer.body['results'] as Record<string, unknown>[];
    assert.deepEqual(
      results.map((result) => result['status']),
      ['stored', 400, 'stored', 401, 'duplicate'],
    );
    const mail = await relay.mailStore.read(bob.identity, 0n);
    assert.deepEqual(
      mail.map(({ bytes }) => Uint8Array.from(bytes)),
      [first.bytes, second.bytes],
    );
    assert.deepEqual((await post(encodeMessageBatch([]), batchType)).body, { results: [] });
  });

  it('refuses a batch as bytes that has too many messages, or is none', async () => {
    const { bytes } = message(alice, bob);
    const most = Array.from({ length: 257 }, () => new Uint8Array());
    refused(await post(encodeMessageBatch(most), batchType), 413, 'batch-too-large');
    refused(await post(encodeMessageBatch([bytes, bytes]).slice(0, -1), batchType), 400, 'truncated');
    refused(await post(Uint8Array.from([...encodeMessageBatch([bytes]), 0]), batchType), 400, 'trailing-bytes');
    refused(await post(new Uint8Array(2 ** 20 + 1), batchType), 413, 'envelope-too-large');
    assert.equal(await waiting(), 0);
  });

  it('answers a repeated message as a duplicate and stores it once', async () => {
    const sent = message(alice, bob);
    const answers = await Promise.all([post(sent.bytes), post(sent.bytes), postJson(json(sent))]);
    assert.deepEqual(answers.map(({ body }) => body['status']).sort(), ['duplicate', 'duplicate', 'stored']);
    assert.deepEqual((await post(sent.bytes)).body, { messageId: sent.id, status: 'duplicate' });
    assert.equal(await waiting(), 1);
  });

  it('refuses garbage', async () => {
    const { bytes } = message(alice, bob);
    refused(await post(new Uint8Array(0)), 400, 'truncated');
    refused(await post(new Uint8Array(500)), 400, 'trailing-bytes');
    refused(await post(bytes.slice(0, -1)), 400, 'truncated');
    refused(await post(Uint8Array.from([...bytes, 0])), 400, 'trailing-bytes');
    refused(await post('{', 'application/json'), 400, 'bad-request');
    refused(await postJson('text'), 400, 'bad-request');
    refused(await postJson({ ...json(message(alice, bob)), extra: 1 }), 400, 'bad-request');
    refused(await post('text', 'text/plain'), 415, 'unsupported-media-type');
    assert.equal(await waiting(), 0);
  });

  it('refuses a signature by another key, for other bytes and for another chain', async () => {
    const { bytes } = message(alice, bob);
    const altered = Uint8Array.from(bytes);
    altered[altered.length - 1] = (altered[altered.length - 1] ?? 0) ^ 1;
    refused(await post(altered), 401, 'bad-signature');
    refused(await post(message(alice, bob, { genesisHash: `0x${'00'.repeat(32)}` }).bytes), 401, 'bad-signature');
    const zeroed = Uint8Array.from(bytes);
    zeroed.fill(0, 32, 96);
    refused(await post(zeroed), 401, 'bad-signature');
    assert.equal(await waiting(), 0);
  });

  it('refuses a sender that the header does not name', async () => {
    refused(await post(message(alice, bob, { signer: carol }).bytes), 400, 'signer-mismatch');
  });

  it('refuses JSON whose fields differ from the header', async () => {
    const right = json(message(alice, bob));
    const upper = { ...right, from: right.from.toUpperCase().replace('0X', '0x') };
    for (const wrong of [{ from: carol.identity }, { to: carol.identity }, { nonce: '7' }])
      refused(await postJson({ ...right, ...wrong }), 400, 'field-mismatch');
    assert.equal((await postJson(upper)).status, 202);
  });

  it('refuses what only travels on chain', async () => {
    refused(await post(message(alice, bob, { header: { fromKind: 'account' } }).bytes), 400, 'off-chain-only-v1');
  });

  it('refuses a recipient that it does not serve', async () => {
    const answer = await post(message(alice, carol).bytes);
    refused(answer, 404, 'recipient-not-served');
    assert.deepEqual(answer.body['details'], { recipient: carol.identity });
  });

  it('refuses what is too large, before and while it reads it', async () => {
    const small = await cleanup.relay({ limits: { maxMessageBytes: 1000, maxBodyBytes: 4000 } });
    const tryPost = async (size: number) =>
      fetch(`${small.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': octets },
        body: Uint8Array.from(message(alice, bob, { size }).bytes),
      });
    for (const size of [1000, 10_000]) {
      const answer = await tryPost(size);
      assert.equal(answer.status, 413);
      assert.equal(((await answer.json()) as Record<string, unknown>)['code'], 'envelope-too-large');
    }
    assert.equal((await tryPost(500)).status, 202);
  });

  it('refuses too many messages in one batch', async () => {
    const one = json(message(alice, bob));
    refused(await postJson(Array.from({ length: 257 }, () => one)), 413, 'batch-too-large');
  });

  it('refuses a message sent further than ten minutes from its clock, and takes one nearer', async () => {
    const at = (offset: number) => message(alice, bob, { header: { sentAt: Date.now() + offset } }).bytes;
    refused(await post(at(-601_000)), 422, 'clock-skew');
    refused(await post(at(601_000)), 422, 'clock-skew');
    assert.equal((await post(at(-590_000))).status, 202);
    assert.equal((await post(at(590_000))).status, 202);
  });

  it('refuses for a full mailbox, with the reason, and takes again when there is room', async () => {
    const mailStore = await cleanup.store({ quota: { maxCount: 2, senderPart: 1 } });
    relay = await cleanup.relay({ mailStore });
    const statuses = [];
    for (let n = 0; n < 2; n++) statuses.push((await post(message(alice, bob).bytes)).status);
    assert.deepEqual(statuses, [202, 202]);
    const third = message(alice, bob);
    const answer = await post(third.bytes);
    refused(answer, 507, 'mailbox-full');
    assert.match(String(answer.body['detail']), /2 messages/);
    await mailStore.ack(bob.identity, 1n);
    assert.equal((await post(third.bytes)).status, 202);
  });

  it('keeps room in a mailbox for workers of the chain, and leaves no sender all of it', async () => {
    const workers = new Map([alice, bob].map(({ identity }) => [identity, { endpoints: [] }]));
    const mailStore = await cleanup.store({ quota: { maxCount: 8, senderPart: 0.5, strangerPart: 0.25 } });
    relay = await cleanup.relay({ mailStore, workerState: workers });
    const full = async (from: Entity, reason: RegExp): Promise<void> => {
      const answer = await post(message(from, bob).bytes);
      refused(answer, 507, 'mailbox-full');
      assert.match(String(answer.body['detail']), reason);
    };
    for (let n = 0; n < 2; n++) assert.equal((await post(message(carol, bob).bytes)).status, 202);
    await full(carol, /2 messages, 2 are kept before the rest is left to known senders/);
    for (let n = 0; n < 4; n++) assert.equal((await post(message(alice, bob).bytes)).status, 202);
    await full(alice, /4 messages, 4 are kept of one sender/);
    relay = await cleanup.relay({ mailStore, workerState: workers, access: { allow: [carol.identity] } });
    assert.equal((await post(message(carol, bob).bytes)).status, 202);
  });

  it('tells failures of its own without their cause', async () => {
    relay = await cleanup.relay({ verifySignature: () => Promise.reject(new Error('secret path')) });
    const answer = await post(message(alice, bob).bytes);
    refused(answer, 500, 'relay-failed');
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
  });

  it('holds senders, recipients and addresses to their rates', async () => {
    const rate = { perSecond: 0.001, burst: 2 };
    const codes = async (limits: object, senders = [alice, alice, alice], options: Partial<RelayOptions> = {}) => {
      relay = await cleanup.relay({ limits, ...options });
      const answers = [];
      for (const sender of senders) answers.push(await post(message(sender, bob).bytes));
      return answers.map(
        ({ status, body }) => `${status} ${body['code'] === undefined ? '' : JSON.stringify(body['code'])}`,
      );
    };
    const expected = ['202 ', '202 ', '429 "rate-limited"'];
    assert.deepEqual(await codes({ perIdentity: rate }), expected);
    assert.deepEqual(await codes({ perIdentity: rate }, [alice, carol, alice]), ['202 ', '202 ', '202 ']);
    // Strangers have half of it, and bob, whom the relay serves, is none.
    const wider = { perSecond: 0.001, burst: 4 };
    const workerState = { get: () => undefined };
    assert.deepEqual(await codes({ perRecipient: wider }, [alice, carol, alice, bob, bob, bob], { workerState }), [
      ...expected,
      ...expected,
    ]);
    // Without a chain nobody is one.
    assert.deepEqual(await codes({ perRecipient: rate }, [alice, carol, bob]), expected);
    assert.deepEqual(await codes({ perAddress: rate }), expected);
  });

  it('tells all else of itself while its store can not be counted', async () => {
    const mailStore = await cleanup.store();
    relay = await cleanup.relay({ mailStore });
    await post(message(alice, bob).bytes);
    const metrics = async () => (await fetch(`${relay.url}/metrics`)).text();
    assert.match(await metrics(), /^khala_relay_mailbox_messages 1$/m);
    const totals = mailStore.totals.bind(mailStore);
    const away: MailStore['totals'][] = [
      () => Promise.reject(new RelayError('mail-store-failed', { details: { action: 'count', reason: 'it is away' } })),
      () => new Promise(() => undefined),
    ];
    for (const fails of away) {
      mailStore.totals = fails;
      const text = await metrics();
      assert.doesNotMatch(text, /^khala_relay_mailbox_messages /m);
      assert.match(text, /^khala_relay_messages_total\{status="stored"\} 1$/m);
      assert.match(text, /^process_resident_memory_bytes /m);
    }
    mailStore.totals = totals;
    assert.match(await metrics(), /^khala_relay_mailbox_messages 1$/m);
  });

  it('charges a recipient nothing for what is refused', async () => {
    const mailStore = await cleanup.store({ quota: { maxCount: 4, senderPart: 0.25, strangerPart: 1 } });
    relay = await cleanup.relay({ mailStore, limits: { perRecipient: { perSecond: 0.001, burst: 4 } } });
    assert.equal((await post(message(alice, bob).bytes)).status, 202);
    for (let n = 0; n < 10; n++) refused(await post(message(alice, bob).bytes), 507, 'mailbox-full');
    assert.equal((await post(message(carol, bob).bytes)).status, 202);
  });

  it('charges nobody for a message that somebody else signed', async () => {
    relay = await cleanup.relay({ limits: { perIdentity: { perSecond: 0.001, burst: 1 } } });
    const forged = Uint8Array.from(message(alice, bob).bytes);
    forged.fill(1, 40, 90);
    for (let n = 0; n < 3; n++) refused(await post(forged), 401, 'bad-signature');
    assert.equal((await post(message(alice, bob).bytes)).status, 202);
  });

  it('charges a sender nothing for what somebody else repeats', async () => {
    let checks = 0;
    relay = await cleanup.relay({
      limits: { perIdentity: { perSecond: 0.001, burst: 3 }, perRecipient: { perSecond: 0.001, burst: 3 } },
      verifySignature: () => ++checks > 0,
    });
    const sent = message(alice, bob).bytes;
    assert.equal((await post(sent)).status, 202);
    for (let n = 0; n < 10; n++) assert.deepEqual((await post(sent)).body['status'], 'duplicate');
    // Nor is it verified again.
    assert.equal(checks, 1);
    assert.equal((await post(message(alice, bob).bytes)).status, 202);
  });

  it('charges nothing either for what was taken before it was started', async () => {
    const limits = { perIdentity: { perSecond: 0.001, burst: 2 } };
    const repeated = Array.from({ length: 5 }, () => message(alice, bob).bytes);
    for (const bytes of repeated) assert.equal((await post(bytes)).status, 202);
    relay = await cleanup.relay({ mailStore: relay.mailStore, limits });
    for (const bytes of repeated) assert.equal((await post(bytes)).body['status'], 'duplicate');
    assert.equal((await post(message(alice, bob).bytes)).status, 202);
  });

  it('keeps to its allow and deny lists, and to registered senders where that is asked', async () => {
    const outcome = async (access: object) => {
      relay = await cleanup.relay({
        access,
        workerState: { get: (id) => (id === alice.identity ? { endpoints: [] } : undefined) },
      });
      const answers = [await post(message(alice, bob).bytes), await post(message(carol, bob).bytes)];
      return answers.map(({ status }) => status);
    };
    assert.deepEqual(await outcome({ allow: [carol.identity] }), [403, 202]);
    assert.deepEqual(await outcome({ deny: [carol.identity] }), [202, 403]);
    assert.deepEqual(await outcome({ registeredOnly: true }), [202, 403]);
  });

  it('serves workers whose endpoints on chain name it, in any spelling', async () => {
    const endpoints: string[] = [];
    relay = await cleanup.relay({
      recipients: [],
      publicUrls: ['https://Relay.Example/k/'],
      workerState: { get: (id) => (id === bob.identity ? { endpoints: [...endpoints] } : undefined) },
    });
    refused(await post(message(alice, bob).bytes), 404, 'recipient-not-served');
    for (const [endpoint, status] of [
      ['wss://relay.example:443/k', 202],
      ['https://relay.example/k', 202],
      ['https://relay.example/other', 404],
      ['http://relay.example/k', 404],
      ['not a url', 404],
      ['ftp://relay.example/k', 404],
    ] as const) {
      endpoints.splice(0, 1, endpoint);
      assert.equal((await post(message(alice, bob).bytes)).status, status, endpoint);
    }
  });

  it('tells about itself', async () => {
    const get = async (path: string) => fetch(relay.url + path);
    const info = (await (await get('/v1/info')).json()) as Record<string, unknown>;
    const limits = {
      maxMessageBytes: 262_144,
      maxBatch: 256,
      maxBodyBytes: 1_048_576,
      window: 256,
      maxSkewMs: 600_000,
    };
    const publicUrls = ['127.0.0.1', 'localhost', '[::1]'].map((host) => relay.url.replace('127.0.0.1', host));
    const told = { protocol: 1, genesisHash: `0x${'67'.repeat(32)}`, publicUrls, limits };
    assert.deepEqual(info, told);
    const own = await cleanup.relay({
      local: { identity: carol.identity, accept: () => Promise.resolve('accepted') },
      publicUrls: ['https://relay.example'],
      limits: { maxMessageBytes: 1_000, maxBatch: 2, maxBodyBytes: 5_000, window: 3, maxSkewMs: 4 },
    });
    assert.deepEqual(await (await fetch(`${own.url}/v1/info`)).json(), {
      ...told,
      identity: carol.identity,
      publicUrls: ['https://relay.example'],
      limits: { maxMessageBytes: 1_000, maxBatch: 2, maxBodyBytes: 5_000, window: 3, maxSkewMs: 4 },
    });
    assert.deepEqual(await (await get('/healthz')).json(), { status: 'ok' });
    assert.deepEqual(await (await get('/readyz')).json(), { status: 'ready' });
    await post(message(alice, bob).bytes);
    await post(new Uint8Array(500));
    const metrics = await (await get('/metrics')).text();
    assert.match(metrics, /^khala_relay_messages_total\{status="stored"\} 1$/m);
    assert.match(metrics, /^khala_relay_refused_total\{code="trailing-bytes"\} 1$/m);
    assert.match(metrics, /^khala_relay_mailbox_messages 1$/m);
    const openapi = (await (await get('/openapi.json')).json()) as { paths: Record<string, unknown> };
    for (const path of Object.keys(openapi.paths)) assert.notEqual((await get(path)).status, 500);
    const missing = await get('/nothing?here');
    assert.equal(missing.status, 404);
    assert.equal(((await missing.json()) as Record<string, unknown>)['detail'], 'There is nothing at GET /nothing.');
  });

  it('is not ready when it has not seen WorkerState for long, and tells for how long', async () => {
    let ageMs = 5_000;
    relay = await cleanup.relay({ workerState: { get: () => undefined, ageMs: () => ageMs } });
    const ready = async () => {
      const answer = await fetch(`${relay.url}/readyz`);
      return [answer.status, (await answer.json()) as unknown] as const;
    };
    assert.deepEqual(await ready(), [200, { status: 'ready', workerStateAgeMs: 5_000 }]);
    ageMs = 3_600_001;
    assert.deepEqual(await ready(), [
      503,
      { status: 'not ready', reason: 'worker-state-failed', workerStateAgeMs: 3_600_001 },
    ]);
    assert.match(
      await (await fetch(`${relay.url}/metrics`)).text(),
      /^khala_relay_worker_state_age_seconds 3600.001$/m,
    );
  });

  it('cuts a request that arrives too slowly', async () => {
    relay = await cleanup.relay({ limits: { requestTimeoutMs: 200 } });
    const socket = connect(Number(new URL(relay.url).port), '127.0.0.1');
    cleanup.add(socket, () => socket.destroy());
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => undefined);
    socket.resume();
    socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n');
    await until(() => closed);
  });

  it('cuts one that goes on arriving, a byte now and then, in its head or its body', async () => {
    relay = await cleanup.relay({ limits: { requestTimeoutMs: 300 } });
    const head = 'POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n';
    const begun = [`${head}x-slow: `, `${head}content-length: 100000\r\n\r\n`].map((start) => {
      const socket = connect(Number(new URL(relay.url).port), '127.0.0.1');
      const drip = { answer: '', bytes: 0, closed: false };
      const timer = setInterval(() => {
        if (!socket.writable) return;
        socket.write('a');
        drip.bytes += 1;
      }, 20);
      cleanup.add(socket, () => {
        clearInterval(timer);
        socket.destroy();
      });
      socket
        .on('close', () => (drip.closed = true))
        .on('error', () => undefined)
        .on('data', (chunk) => (drip.answer += chunk.toString('latin1')));
      socket.write(start);
      return drip;
    });
    await until(() => begun.every(({ closed }) => closed));
    for (const { answer, bytes } of begun) {
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.ok(bytes > 1);
    }
  });

  it('bounds the bodies that it holds at once', async () => {
    relay = await cleanup.relay({ limits: { maxBodyBytes: 1000, maxPendingBytes: 1500, maxMessageBytes: 1000 } });
    const half = request(`${relay.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': octets, 'content-length': 1000 },
    });
    half.on('error', () => undefined).flushHeaders();
    half.write(new Uint8Array(900));
    cleanup.add(half, () => half.destroy());
    const body = message(alice, bob, { size: 400 }).bytes;
    await until(async () => (await post(body)).status === 503);
    refused(await post(body), 503, 'relay-busy');
    half.destroy();
    await until(async () => (await post(body)).status !== 503);
  });
});
