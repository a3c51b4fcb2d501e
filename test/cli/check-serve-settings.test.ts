import assert from 'node:assert/strict';
import { checkServeSettings } from '../../src/cli/check-serve-settings.ts';
import { resolveSettings } from '../../src/cli/resolve-settings.ts';
import { isRelayError } from '../../src/errors/index.ts';

const check = (flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string>> = {}): void => {
  checkServeSettings(resolveSettings({ flags, env }), flags);
};
const jetstream = { store: 'jetstream', nats: ['nats://127.0.0.1:1'] };

describe('what serve is told', () => {
  const idle: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
    ['no server where mailboxes are in NATS', 'nats', { store: 'jetstream' }],
    ['a certificate for NATS without its key', 'nats-cert', { ...jetstream, natsCert: 'cert.pem' }],
    ['a key for NATS without its certificate', 'nats-cert', { ...jetstream, natsKey: 'key.pem' }],
    ['a durability of disks that are those of NATS', 'durability', { ...jetstream, durability: 'os' }],
    ['servers of NATS where mailboxes are in LMDB', 'nats', { nats: jetstream.nats }],
    ['credentials of NATS there', 'nats-credentials', { natsCredentials: 'seed' }],
    ['an authority of NATS there', 'nats-ca', { natsCa: 'ca.pem' }],
    ['a certificate for NATS there', 'nats-cert', { natsCert: 'cert.pem', natsKey: 'key.pem' }],
    ['a key for NATS there', 'nats-key', { natsKey: 'key.pem' }],
    ['replicas of NATS there', 'nats-replicas', { natsReplicas: '3' }],
    ['room for what is not forwarded', 'forward-gigabytes', { forward: 'off', forwardGigabytes: '3' }],
    ['messages that are not forwarded', 'forward-messages', { forward: 'off', forwardMessages: '5' }],
    ['their size', 'forward-megabytes', { forward: 'off', forwardMegabytes: '5' }],
    ['queues of what is not forwarded', 'limit maxForwardQueues', { forward: 'off', limit: ['maxForwardQueues=5'] }],
    ['ways to relays to which nothing is forwarded', 'limit maxTunnels', { forward: 'off', limit: ['maxTunnels=5'] }],
    ['a first block for nobody', 'from', { from: '1' }],
    ['an account for nobody', 'suri', { suri: '//Alice' }],
    ['an account for nobody by a descriptor', 'suri-fd', { suriFd: '3' }],
    ['a handler for nobody', 'on-invoke', { onInvoke: 'handler' }],
    ['whether nobody answers', 'acknowledge', { acknowledge: true }],
    ['when nobody changes its key', 'rotate-every', { rotateEvery: '7' }],
    ['how long nobody keeps it', 'keep-epochs', { keepEpochs: '7' }],
    ['which blocks count for nobody', 'finality', { finality: 'best' }],
    ['what a gap is to nobody', 'on-gap', { onGap: 'skip' }],
  ];
  for (const [what, name, flags] of idle)
    it(`is refused where it has no effect: ${what}`, () => {
      assert.throws(
        () => {
          check(flags);
        },
        (error) => isRelayError(error, 'bad-setting') && error.details?.['name'] === name,
      );
    });

  it('is taken where it has one', () => {
    check({ data: 'folder', durability: 'os' });
    check({ ...jetstream, natsCa: 'ca.pem', natsCert: 'cert.pem', natsKey: 'key.pem', natsReplicas: '3' });
    const room = { forwardGigabytes: '3', forwardMessages: '5', forwardMegabytes: '5', limit: ['maxTunnels=5'] };
    check(room);
    check({ ...room, forward: 'registered' });
    check({ forward: 'off', limit: ['window=5'] });
    const entity = { from: '1', suri: '//Alice', onInvoke: 'handler', acknowledge: true, rotateEvery: '7' };
    check({ vault: 'file', ...entity, keepEpochs: '7', finality: 'best', onGap: 'skip' });
  });

  it('is taken from the environment, which is for other commands too', () => {
    check({}, { KHALA_RELAY_ON_GAP: 'skip', KHALA_RELAY_ACKNOWLEDGE: 'true' });
  });
});
