import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { endOfStores } from '../../src/cli/mail-store.ts';
import { forwardQuotaOf, mailboxOptionsOf, relayOptionsOf } from '../../src/cli/relay-settings.ts';
import { resolveSettings } from '../../src/cli/resolve-settings.ts';
import { mayReachPrivate } from '../../src/cli/session.ts';
import { isRelayError, RelayError, type ErrorCode } from '../../src/errors/index.ts';
import { createRelay } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/index.ts';

const id = `0x${'ab'.repeat(32)}` as const;
const alice = '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY';
const aliceHex = '0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d';

describe('stores of a relay', () => {
  it('end it with the reason when one of them can not be used any more', async () => {
    const error = new RelayError('nats-failed', {
      details: { servers: 'nats://127.0.0.1:1', reason: 'it was closed' },
    });
    const stays = { ended: new Promise<RelayError>(() => undefined) };
    assert.equal(await endOfStores({}, undefined, stays, { ended: Promise.resolve(error) }), error);
    let isOver = false;
    void endOfStores({}, undefined, stays).then(() => (isOver = true));
    await new Promise(setImmediate);
    assert.equal(isOver, false);
  });
});

describe('settings of a relay', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'khala-relay-settings-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const settingsOf = (flags: Record<string, unknown> = {}, env: Record<string, string> = {}) =>
    resolveSettings({ flags, env, config: file });
  let file: string;
  before(() => {
    file = join(folder, 'empty.toml');
    writeFileSync(file, '');
  });

  it('are those of createRelay where nothing is said', () => {
    const { listen, recipients, access, limits, publicUrls, forwardQuota, ...rest } = relayOptionsOf(settingsOf());
    assert.deepEqual(listen, { host: '127.0.0.1', port: 8710 });
    assert.deepEqual([recipients, limits, publicUrls], [[], {}, []]);
    assert.deepEqual(access, { deny: [], registeredOnly: false });
    assert.deepEqual(Object.keys(rest), ['verifyThreads']);
    assert.deepEqual(forwardQuota, { maxCount: 100_000, maxBytes: 256 * 2 ** 20, strangerPart: 0.5 });
    const day = 86_400_000;
    assert.deepEqual(mailboxOptionsOf(settingsOf()), {
      retentionMs: 30 * day,
      quota: { maxCount: 100_000, maxBytes: 256 * 2 ** 20, senderPart: 0.25, strangerPart: 0.5 },
    });
  });

  it('come from flags, the environment and a file', () => {
    const config = join(folder, 'relay.toml');
    writeFileSync(
      config,
      `listen = "[::1]:9"\nallow = ["${id}"]\nlimit = ["window=7", "perIdentity=1.5/3"]\nmailboxMessages = 5\n`,
    );
    const env = { KHALA_RELAY_DENY: `${alice},${id}`, KHALA_RELAY_REGISTERED_ONLY: 'true' };
    const settings = resolveSettings({
      flags: { recipient: [alice], verifyThreads: '0', retention: '0.5' },
      env,
      config,
    });
    const options = relayOptionsOf(settings);
    assert.deepEqual(options.listen, { host: '::1', port: 9 });
    assert.deepEqual(options.access, { allow: [id], deny: [aliceHex, id], registeredOnly: true });
    assert.deepEqual(options.recipients, [aliceHex]);
    assert.deepEqual(options.limits, { window: 7, perIdentity: { perSecond: 1.5, burst: 3 } });
    assert.equal(options.verifyThreads, 0);
    const { retentionMs, quota } = mailboxOptionsOf(settings);
    assert.deepEqual([retentionMs, quota.maxCount], [43_200_000, 5]);
  });

  it('read a certificate and its key from their files', () => {
    const [cert, key] = [join(folder, 'cert'), join(folder, 'key')];
    writeFileSync(cert, 'a certificate');
    writeFileSync(key, 'a key');
    const { tls } = relayOptionsOf(settingsOf({ tlsCert: cert, tlsKey: key }));
    assert.deepEqual([String(tls?.cert), String(tls?.key)], ['a certificate', 'a key']);
  });

  it('bound what waits for other relays, which goes for all senders unless it is said otherwise', () => {
    assert.equal(settingsOf().forward, 'on');
    const gibibyte = 2 ** 30;
    assert.equal(forwardQuotaOf(settingsOf()).maxTotalBytes, 8 * gibibyte);
    assert.equal(forwardQuotaOf(settingsOf({ forwardGigabytes: '0.5' })).maxTotalBytes, gibibyte / 2);
    assert.equal(forwardQuotaOf(settingsOf({ store: 'jetstream' })).maxTotalBytes, undefined);
    const few = settingsOf({ forwardMessages: '7', forwardMegabytes: '0.5', mailboxStrangerPart: '0.25' });
    assert.deepEqual(relayOptionsOf(few).forwardQuota, { maxCount: 7, maxBytes: 2 ** 19, strangerPart: 0.25 });
    assert.deepEqual([forwardQuotaOf(few).maxCount, forwardQuotaOf(few).maxBytes], [7, 2 ** 19]);
    assert.throws(
      () => settingsOf({ forward: 'maybe' }),
      (error) => isRelayError(error, 'bad-setting'),
    );
  });

  it('follow private addresses only where a development chain is reached on one, or where it is said', () => {
    const chain = (isLocal: boolean, chainType: string | undefined) =>
      ({ isLocal, info: { chainType } }) as Parameters<typeof mayReachPrivate>[1];
    const unsaid = settingsOf();
    for (const type of ['Development', 'Local']) {
      assert.equal(mayReachPrivate(unsaid, chain(true, type)), true);
      assert.equal(mayReachPrivate(unsaid, chain(false, type)), false);
    }
    // A node of one's own beside the relay.
    for (const type of ['Live', undefined]) assert.equal(mayReachPrivate(unsaid, chain(true, type)), false);
    assert.equal(mayReachPrivate(settingsOf({ allowPrivate: true }), chain(false, 'Live')), true);
    const off = settingsOf({}, { KHALA_RELAY_ALLOW_PRIVATE: 'false' });
    assert.equal(mayReachPrivate(off, chain(true, 'Development')), false);
  });

  const wrong: readonly (readonly [string, Record<string, unknown>, ErrorCode])[] = [
    ['an id that is none', { deny: ['0x12'] }, 'bad-id'],
    ['a recipient that is none', { recipient: ['bob'] }, 'bad-id'],
    ['a certificate without its key', { tlsCert: 'cert.pem' }, 'bad-setting'],
    ['a key without its certificate', { tlsKey: 'key.pem' }, 'bad-setting'],
    ['a file that is not there', { tlsCert: '/nowhere/cert', tlsKey: '/nowhere/key' }, 'bad-setting'],
    ['a limit that there is not', { limit: ['speed=9'] }, 'bad-setting'],
    ['a limit that is no number', { limit: ['window=many'] }, 'bad-setting'],
    ['a limit with two values', { limit: ['window=7=9'] }, 'bad-setting'],
    ['a limit that is given twice', { limit: ['window=5', 'window=6'] }, 'bad-setting'],
    ['a limit without a value', { limit: ['window'] }, 'bad-setting'],
    ['a rate without its burst', { limit: ['perAddress=5'] }, 'bad-setting'],
    ['an address without a port', { listen: 'localhost' }, 'bad-setting'],
    ['a retention of nothing', { retention: '0' }, 'bad-setting'],
    ['mailboxes without room for a message', { mailGigabytes: '0.00001' }, 'bad-setting'],
    ['a queue without room for a message', { forwardGigabytes: '0.00001' }, 'bad-setting'],
    ['half a message', { mailboxMessages: '0.5' }, 'bad-setting'],
    ['threads by the hundred', { verifyThreads: '100' }, 'bad-setting'],
  ];
  for (const [what, flags, code] of wrong)
    it(`refuse ${what}`, () => {
      assert.throws(
        () => relayOptionsOf(settingsOf(flags)),
        (error) => isRelayError(error, code),
      );
    });

  it('refuse a limit out of its range when the relay is made', () => {
    const genesisHash = id;
    const mailStore = {} as MailStore;
    for (const limit of ['window=0', 'window=1.5', 'slowReaderMs=99999999999', 'perAddress=0/5', 'perAddress=5/0']) {
      const { limits } = relayOptionsOf(settingsOf({ limit: [limit] }));
      assert.throws(
        () => createRelay({ genesisHash, mailStore, limits }),
        (error) => isRelayError(error, 'bad-setting'),
        limit,
      );
    }
  });
});
