import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import { decodeSignedEnvelope, signedEnvelopeToJson } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { FailureLog } from '../../src/relay/failure-log.ts';
import { formsOf } from '../support/forms.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, message } from './support.ts';

const secret = 'meet me at the old mill at nine';
const forms = formsOf(secret);

describe('relay: logs', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('tell what happened, at every level, and nothing of what messages carry', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
    const mailStore = await cleanup.store();
    let failing = false;
    const append = mailStore.append.bind(mailStore);
    mailStore.append = (recipient, id, bytes) =>
      failing
        ? Promise.reject(new RelayError('mail-store-failed', { details: { action: 'write', reason: 'test' } }))
        : append(recipient, id, bytes);
    const relay = await cleanup.relay({
      logger,
      mailStore,
      forwardStore: await cleanup.store(),
      forwardBackoff: { firstMs: 1, mostMs: 1 },
      workerState: { get: (id) => (id === carol.identity ? { endpoints: ['http://127.0.0.1:1'] } : undefined) },
      limits: { slowReaderMs: 50 },
    });
    const post = (body: Uint8Array | string, type: string) =>
      fetch(`${relay.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': type },
        body: typeof body === 'string' ? body : Uint8Array.from(body),
      });
    const octets = 'application/octet-stream';
    const json = JSON.stringify(
      signedEnvelopeToJson(decodeSignedEnvelope(message(alice, bob, { text: secret }).bytes)),
    );
    const sent = [
      [message(alice, bob, { text: secret }).bytes, octets],
      [message(alice, bob, { text: secret, signer: carol }).bytes, octets],
      [message(alice, carol, { text: secret }).bytes, octets],
      [message(alice, alice, { text: secret }).bytes, octets],
      [message(alice, bob, { text: secret }).bytes.slice(0, -1), octets],
      [json, 'application/json'],
      [`[${json}, {"payload": "${secret}"}]`, 'application/json'],
      [`{"payload": "${secret}"`, 'application/json'],
      [secret, 'text/plain'],
    ] as const;
    for (const [body, type] of sent) await post(body, type);
    failing = true;
    assert.equal((await post(message(alice, bob, { text: secret }).bytes, octets)).status, 500);
    const raw = await RawSocket.open(relay.url, cleanup);
    raw.send({ type: 'send', id: 7, signedEnvelope: message(alice, bob, { text: secret }).bytes });
    await raw.next('error');
    failing = false;
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 10 });
    await raw.next('delivery');
    raw.socket.send(Buffer.from(secret));
    await raw.closed();
    const log = () => lines.join('');
    await until(() => log().includes('forwarding attempt failed') && log().includes('connection ended'));
    assert.match(log(), /a request failed/);
    assert.match(log(), /a message failed/);
    await relay.stop();
    assert.match(log(), /relay stopped/);
    for (const form of forms) assert.ok(!log().includes(form), `a log line has ${form}`);
  });

  it('tell once why messages fail while the store does, and then how many', async () => {
    const lines: { readonly level: number; readonly msg: string; readonly count?: number }[] = [];
    const logger = pino({}, { write: (line: string) => lines.push(JSON.parse(line) as (typeof lines)[number]) });
    const mailStore = await cleanup.store();
    mailStore.append = () =>
      Promise.reject(new RelayError('mail-store-failed', { details: { action: 'write', reason: 'the disk is full' } }));
    const relay = await cleanup.relay({ logger, mailStore });
    const raw = await RawSocket.open(relay.url, cleanup);
    for (let id = 1; id <= 50; id++) raw.send({ type: 'send', id, signedEnvelope: message(alice, bob).bytes });
    await raw.next('error', 49);
    const errors = () => lines.filter(({ level }) => level === 50).map(({ msg, count }) => [msg, count]);
    assert.deepEqual(errors(), [['a message failed', undefined]]);
    await relay.stop();
    assert.deepEqual(errors(), [
      ['a message failed', undefined],
      ['a message failed, again and again', 49],
    ]);
  });

  it('tell the number again and again while it goes on, and the reason anew when it had stopped', async () => {
    const lines: string[] = [];
    const logger = pino({}, { write: (line: string) => lines.push(line) });
    const log = new FailureLog(logger, { everyMs: 5 });
    cleanup.add(log, () => {
      log.close();
    });
    const error = new RelayError('mail-store-failed', { details: { action: 'write', reason: 'full' } });
    const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
    const add = (): void => {
      log.add(error, 'a message failed');
    };
    add();
    add();
    await until(() => count('again and again') === 1);
    add();
    add();
    await until(() => count('again and again') === 2);
    assert.equal(count('stack'), 1);
    log.close();
    add();
    assert.equal(count('stack'), 2);
  });
});
