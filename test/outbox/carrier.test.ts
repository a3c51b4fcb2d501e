import assert from 'node:assert/strict';
import { filter, firstValueFrom } from 'rxjs';
import { accountFromSuri, connectChain, type Chain, type SignedExtrinsic } from '../../src/chain/index.ts';
import {
  decodeSignedEnvelope,
  encodeEcdhRecord,
  envelopeContent,
  fromHex,
  messageId,
  toHex,
  type Hex,
} from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/core.ts';
import { verify } from '../../src/crypto/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import {
  createOutbox,
  openOutboxQueue,
  queueMessage,
  type CarriedMessage,
  type OffChainCarrier,
  type Outbox,
  type OutboxOptions,
  type Receipt,
} from '../../src/outbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, newVault, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';

const endpoint = 'http://relay.example';

class TestCarrier implements OffChainCarrier {
  readonly carried: Uint8Array[] = [];
  reaches = true;
  failure: RelayError | undefined;
  tries = 0;
  afterFailure: () => void = () => undefined;
  /** Of these it was asked whether they were delivered. */
  readonly asked: CarriedMessage[] = [];
  /** What carrying waits for. */
  holding: Promise<void> = Promise.resolve();

  canReach(): boolean {
    return this.reaches;
  }

  async carry(signedEnvelope: Uint8Array): ReturnType<OffChainCarrier['carry']> {
    this.tries += 1;
    await this.holding;
    const { failure } = this;
    this.afterFailure();
    if (failure !== undefined) throw failure;
    this.carried.push(signedEnvelope);
    return { endpoint, status: 'stored' };
  }

  async awaitDelivered(message: CarriedMessage): Promise<void> {
    this.asked.push(message);
  }
}

describe('outbox: by a carrier', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let carrier: TestCarrier;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  beforeEach(() => {
    carrier = new TestCarrier();
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function outbox(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const made = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, carrier, ...options });
    open.push(made);
    await made.start();
    return made;
  }

  function message(via?: 'relay' | 'auto' | 'chain') {
    const body = { kind: 'data', content: utf8('hello') } as const;
    return { to: recipient.identity, body, ...(via === undefined ? {} : { via }) };
  }

  async function text(signedEnvelope: Uint8Array): Promise<string> {
    const { identity, signature, envelope } = decodeSignedEnvelope(signedEnvelope);
    const { genesisHash } = chain;
    assert.ok(verify(fromHex(identity), envelopeContent({ genesisHash, envelope }), signature));
    const { body } = await recipient.open({ genesisHash, envelope });
    return body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
  }

  it('hands over what the recipient opens, signed, once, and needs no account for it', async () => {
    const receipt = await (await outbox()).send(message());
    const arrival = await receipt.reached('finalized');
    assert.ok(arrival.state === 'relayed');
    assert.deepEqual([arrival.endpoint, arrival.status], [endpoint, 'stored']);
    assert.deepEqual(await Promise.all(carrier.carried.map(text)), ['hello']);
    const { genesisHash } = chain;
    const [envelope] = carrier.carried.map((bytes) => decodeSignedEnvelope(bytes).envelope);
    assert.equal(arrival.messageId, messageId({ genesisHash, envelope: envelope ?? utf8('') }));
  });

  it('goes on chain where the carrier does not reach the recipient or fails, and an account pays', async () => {
    const box = await outbox({ account: alice });
    carrier.reaches = false;
    assert.equal((await (await box.send(message())).reached('inBlock')).state, 'inBlock');
    carrier.reaches = true;
    carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
    assert.equal((await (await box.send(message('auto'))).reached('inBlock')).state, 'inBlock');
    assert.equal(carrier.tries, 1);
  });

  it('is not told whether it was delivered, of what went on chain', async () => {
    const box = await outbox({ account: alice });
    carrier.reaches = false;
    const receipt = await box.send({ ...message(), deliveryReceipt: true });
    const waiting = receipt.delivered();
    await rejected(waiting, 'delivery-untold');
    await rejected(receipt.delivered(), 'delivery-untold');
    assert.equal((await receipt.reached('finalized')).state, 'finalized');
    assert.deepEqual(carrier.asked, []);
  });

  it('does not go on chain for more than it may cost: it fails, and when it is tried again the carrier may have it', async () => {
    const box = await outbox({ account: alice });
    const before = await chain.bestHead();
    carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
    const sent = await box.send({ ...message('auto'), maxFee: 1n });
    await assert.rejects(sent.reached('inBlock'), { code: 'fee-too-high' });
    assert.equal(carrier.tries, 1);
    carrier.failure = undefined;
    await box.retry(sent.sendId);
    const again = await box.receipt(sent.sendId);
    assert.equal((await again?.reached('inBlock'))?.state, 'relayed');
    assert.equal((await chain.bestHead()).hash, before.hash);
  });

  it('tries again what no account pays for, and what is for off chain only', async () => {
    for (const [via, account] of [
      ['auto', undefined],
      ['relay', alice],
    ] as const) {
      carrier = new TestCarrier();
      carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
      const box = await outbox({ carrier, ...(account === undefined ? {} : { account }) });
      const receipt = await box.send(message(via));
      await until(() => carrier.tries > 1);
      carrier.failure = undefined;
      assert.equal((await receipt.reached('inBlock')).state, 'relayed');
    }
  });

  it('lets what may go on chain past what may not, where the recipient is not reached', async () => {
    carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
    const box = await outbox({ account: alice });
    const behind = await box.send(message('relay'));
    await until(() => carrier.tries > 0);
    assert.equal((await (await box.send(message('auto'))).reached('inBlock')).state, 'inBlock');
    carrier.failure = undefined;
    assert.equal((await behind.reached('inBlock')).state, 'relayed');
  });

  it('seals from a key made for the message where it is asked to, also on chain', async () => {
    const epochs: string[] = (await sender.ecdhKeys()).map(({ publicKey }) => toHex(publicKey));
    const senderKeyOf = (envelope: Uint8Array): string => toHex(decodeV1(envelope).header.senderKey);
    const box = await outbox({ account: alice });
    await (await box.send({ ...message('relay'), freshKey: true })).reached('inBlock');
    await (await box.send(message('relay'))).reached('inBlock');
    const [fresh, usual] = carrier.carried.map((bytes) => senderKeyOf(decodeSignedEnvelope(bytes).envelope));
    assert.deepEqual([epochs.includes(fresh ?? ''), epochs.includes(usual ?? '')], [false, true]);
    const posted = await (await box.send({ ...message('chain'), freshKey: true })).reached('inBlock');
    assert.ok('blockHash' in posted);
    const messages = await chain.at(posted.blockHash).outboundMessages();
    const keys = messages.map(({ payload }) => senderKeyOf(payload));
    assert.deepEqual([keys.length, epochs.includes(keys[0] ?? '')], [1, false]);
  });

  it('sends what was queued beside it, without a chain', async () => {
    const store = openMemoryStore();
    const { genesisHash } = chain;
    const { sendId } = await queueMessage({ vault: sender, store, genesisHash }, message());
    await rejected(queueMessage({ vault: sender, store, genesisHash }, message('chain')), 'no-account');
    await rejected(
      queueMessage({ vault: sender, store, genesisHash }, { ...message(), to: sender.identity }),
      'from-self',
    );
    const receipt = await (await outbox({ store })).receipt(sendId);
    assert.equal((await receipt?.reached('inBlock'))?.state, 'relayed');
  });

  it('leaves on chain what is to go on chain', async () => {
    const receipt = await (await outbox({ account: alice })).send(message('chain'));
    await receipt.reached('inBlock');
    assert.equal(carrier.tries, 0);
  });

  it('does not wait for a chain that is out of reach', async () => {
    const mute = replacing(chain, {
      bestHead: (signal) =>
        new Promise((_, reject) =>
          signal?.addEventListener('abort', () => {
            reject(new RelayError('aborted'));
          }),
        ),
    });
    const box = await outbox({ chain: mute, account: alice });
    await box.send(message('chain'));
    assert.equal((await (await box.send(message('relay'))).reached('inBlock')).state, 'relayed');
  });

  it('takes heads up again after they failed', async () => {
    const setbacks: string[] = [];
    let failures = 2;
    const unsteady = replacing(chain, {
      headEvents: (options, signal) => {
        if (failures-- > 0) throw new RelayError('node-lies', { details: { url: 'ws://x', block: 1, reason: 'x' } });
        return chain.headEvents(options, signal);
      },
    });
    const store = openMemoryStore();
    carrier.failure = new RelayError('envelope-too-large');
    const box = await outbox({ chain: unsteady, store, onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await box.send(message('relay'));
    await assert.rejects(receipt.reached('inBlock'), { code: 'envelope-too-large' });
    carrier.failure = undefined;
    // As another process does: only a head tells.
    await openOutboxQueue(store).retry(receipt.sendId);
    await until(async () => {
      await dev.newBlock();
      return carrier.carried.length > 0;
    });
    assert.deepEqual(setbacks, ['node-lies', 'node-lies']);
  });

  it('can not cancel what is being handed over, and can again when that failed', async () => {
    const box = await outbox();
    let go: () => void = () => undefined;
    carrier.holding = new Promise((resolve) => (go = resolve));
    const receipt = await box.send(message('relay'));
    await until(() => carrier.tries === 1);
    await assert.rejects(box.cancel(receipt.sendId), { code: 'too-late-to-cancel' });
    carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
    const queued = firstValueFrom(receipt.status$.pipe(filter(({ state }) => state === 'queued')));
    go();
    await queued;
    await box.cancel(receipt.sendId);
    await assert.rejects(receipt.reached('inBlock'), { code: 'send-cancelled' });
  });

  describe('what failed on chain with its signature kept', () => {
    let store: TransactionalStore;
    let posts: number;
    let answer: 'refused' | 'full' | 'taken';
    let box: Outbox;
    let failed: Receipt;

    beforeEach(async () => {
      store = openMemoryStore();
      posts = 0;
      answer = 'refused';
      carrier.reaches = false;
      const refusing = replacing(chain, {
        post: async (calls, account, options) => {
          posts += 1;
          if (answer === 'full') throw new RelayError('pool-full');
          if (answer === 'taken') return chain.post(calls, account, options);
          // Signed and stored, and then refused.
          await chain.post(calls, account, {
            ...options,
            beforePost: async (extrinsic) => {
              await options?.beforePost?.(extrinsic);
              throw new RelayError('extrinsic-rejected', { details: { reason: 'Custom error: 7' } });
            },
          });
          throw new Error('a refusal is expected');
        },
      });
      box = await outbox({ chain: refusing, store, account: alice });
      failed = await box.send(message('auto'));
      await assert.rejects(failed.reached('inBlock'), { code: 'extrinsic-rejected' });
      answer = 'taken';
      carrier.reaches = true;
    });

    it('goes on chain only where it is retried, also with a carrier', async () => {
      await box.retry(failed.sendId);
      const receipt = await box.receipt(failed.sendId);
      assert.equal((await receipt?.reached('finalized'))?.state, 'finalized');
      assert.equal(carrier.tries, 0);
    });

    it('stays where it is if it is cancelled after it was retried', async () => {
      answer = 'full';
      carrier.reaches = false;
      const before = posts;
      await box.retry(failed.sendId);
      await until(() => posts > before);
      await openOutboxQueue(store).cancel(failed.sendId);
      answer = 'taken';
      box.tryAgain();
      const next = await box.send(message('chain'));
      assert.equal((await next.reached('finalized')).state, 'finalized');
      const receipt = await box.receipt(failed.sendId);
      await assert.rejects(receipt!.reached('inBlock'), { code: 'send-cancelled' });
    });
  });

  it('seals to the key that a recipient names, until the directory has a newer one', async () => {
    const vault = await newVault(folder.path, 'rotating');
    const keyOf = async () => {
      const { publicKey: ecdhKey, epoch } = (await vault.ecdhKeys()).at(-1)!;
      return { current: { ecdhKey, epoch, proven: true } };
    };
    const rotate = async () => vault.activate((await vault.rotate()).epoch);
    const { genesisHash } = chain;
    const directory = new Map([[vault.identity, await keyOf()]]);
    const box = await outbox({ directory });
    const sent = async (): Promise<Hex> => {
      const receipt = await box.send({ ...message('relay'), to: vault.identity, deliveryReceipt: true });
      await receipt.delivered();
      const { envelope } = decodeSignedEnvelope(carrier.carried.at(-1)!);
      const { recipientKey, sentAt } = decodeV1(envelope).header;
      // Asked about as it was sealed last.
      const asked = carrier.asked.at(-1);
      assert.deepEqual([asked?.messageId, asked?.sentAt], [messageId({ genesisHash, envelope }), sentAt]);
      return toHex(recipientKey);
    };
    await rotate();
    const named = (await keyOf()).current;
    const signature = await vault.sign({ type: 'ecdh-record', genesisHash, epoch: named.epoch });
    const record = encodeEcdhRecord({ ecdhPublic: named.ecdhKey, epoch: named.epoch, signature });
    carrier.failure = new RelayError('epoch-erased', { details: { epoch: 0, record } });
    carrier.afterFailure = () => (carrier.failure = undefined);
    assert.equal(await sent(), toHex(named.ecdhKey));
    assert.equal(await sent(), toHex(named.ecdhKey));
    await rotate();
    directory.set(vault.identity, await keyOf());
    assert.equal(await sent(), toHex((await keyOf()).current.ecdhKey));
    await vault.close();
  });

  it('waits where a clock is wrong, says so, and goes with the time at which it is tried again', async () => {
    const setbacks: string[] = [];
    let now = Date.now() + 3_600_000;
    carrier.failure = new RelayError('clock-skew', { details: { sentAt: 0n, now: 0n } });
    const box = await outbox({ now: () => now, onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await box.send(message('relay'));
    await until(() => setbacks.includes('clock-skew'));
    for await (const { status } of box.entries()) assert.equal(status.state, 'queued');
    carrier.failure = undefined;
    now = Date.now();
    box.tryAgain();
    assert.equal((await receipt.reached('inBlock')).state, 'relayed');
    const { nonce, sentAt } = decodeV1(decodeSignedEnvelope(carrier.carried[0]!).envelope).header;
    assert.deepEqual([nonce, sentAt], [receipt.nonce, BigInt(now)]);
  });

  it('says that a clock is wrong of what goes on chain for it, too', async () => {
    const setbacks: string[] = [];
    carrier.failure = new RelayError('clock-skew', { details: { sentAt: 0n, now: 0n } });
    const box = await outbox({ account: alice, onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await box.send(message('auto'));
    assert.equal((await receipt.reached('finalized')).state, 'finalized');
    assert.deepEqual([setbacks, carrier.carried], [['clock-skew'], []]);
  });

  it('refuses what has no way to go', async () => {
    const box = await outbox();
    await assert.rejects(box.send(message('chain')), { code: 'no-account' });
    await assert.rejects(box.send({ ...message('relay'), as: 'account' }), { code: 'off-chain-only-v1' });
  });

  describe('what was moved to the chain and does not get on there', () => {
    const away = new RelayError('relay-busy', { details: { what: 'connections' } });
    const nonces = (): bigint[] =>
      carrier.carried.map((bytes) => decodeV1(decodeSignedEnvelope(bytes).envelope).header.nonce);
    /** Two that no relay takes, and the setback that they meet with on chain. */
    async function stuck(code: string, options: Partial<OutboxOptions>) {
      const setbacks: string[] = [];
      carrier.failure = away;
      const box = await outbox({ account: alice, ...options, onSetback: (error) => setbacks.push(error.code) });
      const sent = [await box.send(message('auto')), await box.send(message('auto'))];
      await until(() => setbacks.includes(code));
      return { box, sent };
    }
    async function relayedInOrder(box: Outbox, sent: Receipt[]): Promise<void> {
      carrier.failure = undefined;
      sent.push(await box.send(message('auto')));
      box.tryAgain();
      for (const receipt of sent) assert.equal((await receipt.reached('inBlock')).state, 'relayed');
      assert.deepEqual(
        nonces(),
        sent.map(({ nonce }) => nonce),
        'in order, with the nonces that they were queued with',
      );
      for await (const { status } of box.entries()) assert.equal(status.state, 'relayed');
    }

    it('goes off chain once its recipient is reached, before what was sent later: where the account can not pay', async () => {
      const { box, sent } = await stuck('balance-too-low', { account: accountFromSuri('//Poor') });
      await relayedInOrder(box, sent);
    });

    it('and where the chain is away', async () => {
      const gone = replacing(chain, {
        bestHead: () => Promise.reject(new RelayError('chain-unreachable', { details: { reason: 'test' } })),
      });
      const { box, sent } = await stuck('chain-unreachable', { chain: gone });
      await relayedInOrder(box, sent);
    });

    it('is tried again in time without being told, and goes on chain after all where that gets on first', async () => {
      let isFull = true;
      const full = replacing(chain, {
        post: async (calls, account, options) => {
          if (isFull) throw new RelayError('pool-full');
          return chain.post(calls, account, options);
        },
      });
      const { sent } = await stuck('pool-full', { chain: full });
      const { tries } = carrier;
      await until(() => carrier.tries > tries);
      isFull = false;
      for (const receipt of sent) assert.equal((await receipt.reached('inBlock')).state, 'inBlock');
      assert.deepEqual(carrier.carried, []);
    });

    it('but for what an extrinsic carries', async () => {
      let isAway = true;
      const lost = replacing(chain, {
        // A node took it, as far as anybody knows.
        post: async (calls, account, options) => {
          let signed: SignedExtrinsic | undefined;
          const beforePost = async (extrinsic: SignedExtrinsic): Promise<void> => {
            await options?.beforePost?.(extrinsic);
            signed = extrinsic;
            throw away;
          };
          await chain.post(calls, account, { ...options, beforePost }).catch(() => undefined);
          assert.ok(signed !== undefined);
          return signed;
        },
        follow: async (extrinsic, options) => {
          if (isAway) throw new RelayError('chain-unreachable', { details: { reason: 'test' } });
          return chain.follow(extrinsic, options);
        },
      });
      const { box, sent } = await stuck('chain-unreachable', { chain: lost });
      carrier.failure = undefined;
      const later = await box.send(message('auto'));
      assert.equal((await later.reached('inBlock')).state, 'relayed');
      box.tryAgain();
      isAway = false;
      const [first] = sent;
      assert.equal((await first?.reached('inBlock'))?.state, 'inBlock');
      assert.ok(!nonces().includes(first?.nonce ?? 0n));
    });
  });

  it('takes back what was moved to the chain and can not be paid for, once it is started without an account', async () => {
    const store = openMemoryStore();
    const setbacks: string[] = [];
    carrier.failure = new RelayError('relay-busy', { details: { what: 'connections' } });
    const poor = accountFromSuri('//Poor');
    const first = await outbox({ store, account: poor, onSetback: ({ code }) => setbacks.push(code) });
    const sent = [await first.send(message('auto')), await first.send(message('auto'))];
    const onChain = await first.send(message('chain'));
    await until(() => setbacks.includes('balance-too-low'));
    await first.stop();
    carrier.failure = undefined;
    const second = await outbox({ store });
    for (const { sendId } of sent) {
      const receipt = await second.receipt(sendId);
      assert.equal((await receipt?.reached('finalized'))?.state, 'relayed');
    }
    const nonces = carrier.carried.map((bytes) => decodeV1(decodeSignedEnvelope(bytes).envelope).header.nonce);
    assert.deepEqual(
      nonces,
      sent.map(({ nonce }) => nonce),
    );
    const left: bigint[] = [];
    for await (const { sendId, status } of second.entries()) if (status.state !== 'relayed') left.push(sendId);
    assert.deepEqual(left, [onChain.sendId], 'what may go on chain only stays');
  });
});
