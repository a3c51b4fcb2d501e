import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Relay, RelayOptions } from '../../src/relay/index.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { until } from '../support/until.ts';
import { RawSocket, type LoginVariation } from './raw-socket.ts';
import { alice, bob, carol, Cleanup, message } from './support.ts';

describe('relay: login', () => {
  const cleanup = new Cleanup();
  let now = Date.now();
  let relay: Relay & { readonly mailStore: MailStore };

  const start = async (options: Partial<RelayOptions> = {}) => {
    relay = await cleanup.relay({ clock: () => now, ...options });
    const { id, bytes } = message(alice, bob);
    await relay.mailStore.append(bob.identity, id, bytes);
  };
  beforeEach(() => start());
  afterEach(() => cleanup.run());

  const open = () => RawSocket.open(relay.url, cleanup);
  const refused = async (
    reason: RegExp,
    variation: LoginVariation,
    raw?: RawSocket,
    code = 'login-refused',
  ): Promise<void> => {
    const socket = raw ?? (await open());
    const answer = await socket.login(bob, variation);
    assert.ok(answer.type === 'error' && answer.code === code, JSON.stringify(answer.type));
    assert.match(answer.message, reason);
    socket.send({ type: 'credit', deliveries: 1 });
    await socket.closed();
    assert.deepEqual(socket.all('delivery'), []);
  };

  it('lets the holder of the key in, and tells of which store the cursors are', async () => {
    const answer = await (await open()).login(bob);
    assert.deepEqual(answer, { type: 'logged-in', id: 2, generation: relay.mailStore.generation, acknowledged: 0n });
  });

  it('refuses what is signed for a proof alone', async () => {
    const origin = `${relay.url.replace(/^http/, 'ws')}#prove`;
    await refused(/another origin/, { origin });
    const raw = await RawSocket.open(relay.url, cleanup, { origin });
    assert.equal((await raw.prove(bob)).type, 'logged-in');
    const foreign = await RawSocket.open(relay.url, cleanup, { origin: 'ws://other.example:80#prove' });
    assert.equal((await foreign.prove(bob)).type, 'error');
  });

  it('refuses a signature by another key', () => refused(/signature/, { signer: carol }));

  it('refuses a signature for another chain', () => refused(/signature/, { genesisHash: `0x${'11'.repeat(32)}` }));

  it('refuses a challenge that was made up, or made for another connection', async () => {
    await refused(/no challenge/, { challenge: { serverNonce: new Uint8Array(32), expiresAt: BigInt(now + 60_000) } });
    const other = await (await open()).challenge();
    await refused(/no challenge/, { challenge: other });
    const raw = await open();
    await raw.challenge();
    await refused(/signature/, { challenge: other }, raw);
  });

  it('refuses a challenge after a minute', async () => {
    const raw = await open();
    const challenge = await raw.challenge();
    assert.equal(challenge.expiresAt, BigInt(now + 60_000));
    now += 60_000;
    await refused(/expired/, { challenge }, raw, 'challenge-expired');
  });

  it('refuses a challenge that was answered before, even wrongly', async () => {
    const raw = await open();
    const challenge = await raw.challenge();
    assert.equal((await raw.login(bob, { challenge, signer: carol })).type, 'error');
    await refused(/answered before/, { challenge }, raw);
  });

  it('gives each challenge another nonce, and only the newest counts', async () => {
    const raw = await open();
    const [first, second] = [await raw.challenge(), await raw.challenge()];
    assert.notDeepEqual(first.serverNonce, second.serverNonce);
    await refused(/signature/, { challenge: first }, raw);
  });

  it('refuses what was signed for another relay, whatever it is told of it', async () => {
    const origin = 'ws://other.example:80';
    await refused(/another origin/, { origin });
    await refused(/signature/, { signedOrigin: origin });
  });

  it('goes by its public URLs where it has some, by http or by ws', async () => {
    await start({ publicUrls: ['https://relay.example/path'] });
    const login = async (origin: string) => (await (await open()).login(bob, { origin })).type;
    assert.equal(await login('wss://relay.example:443'), 'logged-in');
    assert.equal(await login('https://relay.example:443'), 'logged-in');
    assert.equal(await login('ws://relay.example:443'), 'error');
    assert.equal(await login(relay.url.replace('http', 'ws')), 'error');
  });

  it('gives only the mailbox of who logged in', async () => {
    const raw = await open();
    assert.equal((await raw.login(carol)).type, 'logged-in');
    raw.send({ type: 'credit', deliveries: 10 });
    const { id, bytes } = message(alice, carol, { text: 'for carol' });
    await relay.mailStore.append(carol.identity, id, bytes);
    await raw.next('delivery');
    assert.deepEqual(raw.texts(), ['for carol']);
  });

  it('refuses a second login on one connection', async () => {
    const raw = await open();
    await raw.login(carol);
    const answer = await raw.login(bob);
    assert.ok(answer.type === 'error' && answer.code === 'login-refused');
    raw.send({ type: 'credit', deliveries: 10 });
    await raw.challenge();
    assert.deepEqual(raw.all('delivery'), []);
  });

  it('refuses a second login while the first is under way, which goes on', async () => {
    const { mailStore } = relay;
    const claim = mailStore.claim.bind(mailStore);
    let go = (): void => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    let claims = 0;
    mailStore.claim = async (...args) => {
      claims++;
      await held;
      return claim(...args);
    };
    const raw = await open();
    const first = raw.login(bob);
    await until(() => claims === 1);
    const second = await raw.login(bob);
    assert.ok(second.type === 'error' && second.code === 'login-refused');
    assert.match(second.message, /under way/);
    go();
    await raw.next('logged-in');
    await first;
    assert.equal(claims, 1);
  });

  it('remembers a bad signature by the address that it came from, as of a message', async () => {
    const lanes: unknown[] = [];
    await start({
      verifySignature: (_, __, ___, lane) => {
        lanes.push(lane);
        return false;
      },
    });
    await (await open()).login(bob);
    assert.deepEqual(lanes, ['127.0.0.1']);
  });

  it('gives the mailbox to the newest connection and tells the older one why it ends', async () => {
    const older = await open();
    await older.login(bob);
    const newer = await open();
    await newer.login(bob);
    assert.equal(await older.closed(), 1008);
    assert.deepEqual(
      older.all('error').map(({ code }) => code),
      ['session-replaced'],
    );
    newer.send({ type: 'credit', deliveries: 1 });
    await newer.next('delivery');
  });

  it('holds attempts to the rate of the address', async () => {
    // Each takes a challenge and a proof.
    await start({ limits: { perAddress: { perSecond: 0.001, burst: 6 } } });
    const outcomes = [];
    for (let n = 0; n < 3; n++) {
      const answer = await (await open()).login(bob, { signer: carol });
      outcomes.push(answer.type === 'error' ? answer.code : answer.type);
    }
    assert.deepEqual(outcomes, Array<string>(3).fill('login-refused'));
    const late = await open();
    late.send({ type: 'challenge-me', id: 1 });
    await open();
    assert.deepEqual(late.all('challenge'), []);
  });
});
