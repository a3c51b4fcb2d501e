import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { PostedSearch, type SignedFacts } from '../../src/outbox/posted-search.ts';
import type { Vault } from '../../src/vault/index.ts';
import { openWallet } from '../chain/support.ts';
import { alice, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { ForgetfulNode } from '../support/forgetful-node.ts';
import { replacing } from '../support/replacing.ts';
import { until } from '../support/until.ts';
import { SignedPosts } from './signed-posts.ts';

describe('what extrinsics tell of signed messages where the states are gone', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let signs: SignedPosts;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender] = (await registered(chain, folder.path, ['a'])) as [Vault];
    signs = new SignedPosts(chain, sender);
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  const present = () => signs.present();
  const facts = (text: string): Promise<SignedFacts> => signs.facts(text);

  const callOf: SignedPosts['callOf'] = (signed, text) => signs.callOf(signed, text);

  async function post(signed: SignedFacts, text: string): Promise<number> {
    return (await chain.submit([await callOf(signed, text)], alice, { waitFor: 'finalized' })).blockNumber;
  }

  /** In an extrinsic that does something else too, and of which each call goes for itself. */
  const postAmongOthers = async (signed: Pick<SignedFacts, 'destination' | 'sequence'>, text: string) => {
    const other = { kind: 'push-message', destination: utf8('other'), payload: utf8('x') } as const;
    return chain.submit([other, await callOf(signed, text)], alice, { batch: 'each', waitFor: 'finalized' });
  };

  /** A batch that comes to nothing where one of them does. */
  const postTogether = async (first: SignedFacts, texts: readonly string[]): Promise<number> => {
    const calls = await Promise.all(
      texts.map((text, i) => callOf({ ...first, sequence: first.sequence + BigInt(i) }, text)),
    );
    return (await chain.submit(calls, alice, { waitFor: 'finalized' })).blockNumber;
  };

  /** What is known once all states before the finalized block are gone, but for that of the block `kept`. */
  async function seenInBodies(signed: readonly SignedFacts[], kept?: number, as = (through: Chain): Chain => through) {
    await using node = await ForgetfulNode.start(dev, chain, Math.min(...signed.map(({ since }) => since)));
    const newest = dev.finalized.number;
    node.isAllGone = (number) => number < newest && number !== kept;
    await using later = await connectChain({ endpoints: [node.ws] });
    const search = new PostedSearch(as(later), sender.identity, new AbortController().signal);
    const sightings = await search.upTo(await present(), signed);
    return signed.map(({ messageId: id }) => {
      const sighting = sightings.get(id);
      return sighting?.kind === 'posted' ? sighting.block.number : sighting?.kind;
    });
  }

  /** What came in before is out of sight. */
  async function fresh(): Promise<void> {
    await dev.newBlock({ count: 2, empty: true });
    await until(async () => (await chain.finalizedHead()).number === dev.finalized.number);
  }

  it('knows by the sequence which of two that are signed for it came in, where nothing else can have kept the first out', async () => {
    await fresh();
    const ours = await facts('ours, and first');
    const number = await post(ours, 'ours, and first');
    assert.equal((await postAmongOthers(ours, 'late')).failures?.length, 1);
    const late = { ...(await facts('late')), sequence: ours.sequence, since: ours.since };
    await fresh();
    assert.deepEqual(await seenInBodies([ours, late]), [number, undefined]);
  });

  for (const [lie, more] of [
    ['nothing was let in', 0n],
    ['it was let in before', 1n],
  ] as const)
    it(`does not believe one node of several that by the sequence ${lie}`, async () => {
      await fresh();
      const text = `of which it says that ${lie}`;
      const ours = await facts(text);
      const number = await post(ours, text);
      await fresh();
      const lying = (through: Chain): Chain =>
        replacing(through, {
          trust: 'quorum',
          at: (hash) => replacing(through.at(hash), { ingressSequence: () => Promise.resolve(ours.sequence + more) }),
        });
      assert.deepEqual(await seenInBodies([ours], ours.since, lying), [number]);
    });

  it('does not say so of a command, which what else keeps an extrinsic out would have posted twice or never', async () => {
    await fresh();
    const ours = { ...(await facts('a command')), isCommand: true };
    await post(ours, 'a command');
    await postAmongOthers(ours, 'late');
    await fresh();
    assert.deepEqual(await seenInBodies([ours]), ['lost-sight']);
  });

  it('does not say so where the runtime was changed meanwhile, which may have let no such calls through for a while', async () => {
    await fresh();
    const ours = await facts('before another runtime');
    await post(ours, 'before another runtime');
    await using wallet = await openWallet(dev.ws);
    const { sudo, system } = wallet.api.tx;
    const code = toHex(await readFile(new URL('../../runtime/artifacts/khala-dev.wasm', import.meta.url)));
    await wallet.post(sudo.sudo(system.setCodeWithoutChecks(code)), wallet.alice);
    await postAmongOthers(ours, 'late');
    await fresh();
    assert.deepEqual(await seenInBodies([ours]), ['lost-sight']);
  });

  it('does not say so where it came among other calls', async () => {
    await fresh();
    const ours = await facts('among others');
    await postAmongOthers(ours, 'among others');
    await postAmongOthers(ours, 'late');
    await fresh();
    assert.deepEqual(await seenInBodies([ours]), ['lost-sight']);
  });

  it('knows that a batch came to nothing of whose sequences the first was used by something else, be they commands', async () => {
    for (const isCommand of [false, true]) {
      await fresh();
      const texts = ['one', 'two', 'three'].map((text) => `${text}, ${isCommand}`);
      const first = { ...(await facts(texts[0] ?? '')), isCommand };
      const batch = await Promise.all(
        texts.map(async (text, i) => ({ ...(await facts(text)), isCommand, sequence: first.sequence + BigInt(i) })),
      );
      await post(first, 'something else');
      await assert.rejects(postTogether(first, texts), (error) => isRelayError(error, 'dispatch-failed'));
      const again = texts.map((text) => `${text}, again`);
      const anew = await Promise.all(
        again.map(async (text, i) => ({
          ...(await facts(text)),
          isCommand,
          sequence: first.sequence + BigInt(i) + 1n,
        })),
      );
      const number = await postTogether({ ...first, sequence: first.sequence + 1n }, again);
      await fresh();
      const { since } = first;
      const signed = [...batch, ...anew].map((each) => ({ ...each, since }));
      const nowhere = texts.map(() => undefined);
      assert.deepEqual(await seenInBodies(signed), [...nowhere, ...again.map(() => number)]);
    }
  });

  it('finds what came in behind blocks that were looked at, also where their states are gone by then', async () => {
    await fresh();
    const ours = await facts('behind what was looked at');
    await using node = await ForgetfulNode.start(dev, chain, ours.since);
    await using later = await connectChain({ endpoints: [node.ws] });
    const search = new PostedSearch(later, sender.identity, new AbortController().signal);
    await dev.newBlock({ count: 3, empty: true });
    await until(async () => (await later.finalizedHead()).number === dev.finalized.number);
    assert.equal((await search.upTo(await present(), [ours])).size, 0);
    const number = await post(ours, 'behind what was looked at');
    await fresh();
    await node.learn(chain, ours.since);
    const newest = dev.finalized.number;
    node.isAllGone = (block) => block < newest;
    const sighting = (await search.upTo(await present(), [ours])).get(ours.messageId);
    assert.ok(sighting?.kind === 'posted');
    assert.equal(sighting.block.number, number);
  });

  it('is not deceived by what the block behind the forgotten ones let in for pallets only, which no message tells of', async () => {
    await fresh();
    const ours = await facts('ours, too early');
    const early = { ...ours, sequence: ours.sequence + 1n };
    assert.equal((await postAmongOthers(early, 'ours, too early')).failures?.length, 1);
    await dev.newBlock({ count: 3, empty: true });
    await using wallet = await openWallet(dev.ws);
    const { tx } = wallet.api;
    for (const i of [0n, 1n]) {
      const forPallets = { destination: utf8('^for pallets'), sequence: ours.sequence + i };
      const { worker, payload, signature, destination, sequence } = await callOf(forPallets, 'x');
      const posted = { sender: { Worker: worker }, destination: toHex(destination), payload: toHex(payload) };
      const call = tx.phalaMq.syncOffchainMessage({ message: posted, sequence, signature: toHex(signature) });
      await wallet.post(call, wallet.bob);
    }
    assert.deepEqual(await seenInBodies([early], ours.since), [undefined]);
    assert.deepEqual(await seenInBodies([early]), ['lost-sight'], 'where it may have been its turn');
  });
});
