import assert from 'node:assert/strict';
import { connectChain, type BlockId, type Chain, type PostedMessage } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isRelayError, RelayError, type ErrorCode } from '../../src/errors/index.ts';
import { PostedSearch, type SignedFacts } from '../../src/outbox/posted-search.ts';
import type { Vault } from '../../src/vault/index.ts';

import { alice, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { ForgetfulNode } from '../support/forgetful-node.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal, Reply } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { SignedPosts } from './signed-posts.ts';

const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');

describe('the search for signed messages of a worker', () => {
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

  async function post(signed: SignedFacts, text: string): Promise<number> {
    return (await chain.submit([await signs.callOf(signed, text)], alice, { waitFor: 'finalized' })).blockNumber;
  }

  it('begins where the oldest of them was signed, however long ago it last looked', async () => {
    const begins: BlockId[] = [];
    const messages = replacing(chain.messages, {
      follow: (after, options, signal) => {
        begins.push(after);
        return chain.messages.follow(after, options, signal);
      },
    });
    const search = new PostedSearch(replacing(chain, { messages }), sender.identity, new AbortController().signal);
    const first = await facts('first');
    await post(first, 'first');
    assert.equal((await search.upTo(await present(), [first])).get(first.messageId)?.kind, 'posted');
    search.forget(first.messageId);
    await dev.newBlock({ count: 50, empty: true });
    const second = await facts('second');
    await post(second, 'second');
    assert.deepEqual([...(await search.upTo(await present(), [second])).keys()], [second.messageId]);
    assert.deepEqual(
      begins.map(({ number }) => number),
      [first.since, second.since],
    );
  });

  it('keeps what it saw where blocks behind it are forgotten with their extrinsics, and which sequences those used', async () => {
    const seen = await facts('seen');
    const number = await post(seen, 'seen');
    await dev.newBlock({ count: 20, empty: true });
    await until(async () => (await chain.finalizedHead()).number === dev.finalized.number);
    await using node = await ForgetfulNode.start(dev, chain, number);
    node.isGone = (block) => block > number && block < number + 10;
    const { hash } = (await chain.headAt(number)) ?? assert.fail('it is there');
    let refused = 0;
    node.proxy.refuse = (method, [keys, block]) => {
      if (method === 'chain_getBlock') return new Reply(null);
      if (block !== hash || [keys].flat().includes(outboundKey)) return undefined;
      refused += 1;
      return new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003);
    };
    await using later = await connectChain({ endpoints: [node.ws] });
    const search = new PostedSearch(later, sender.identity, new AbortController().signal);
    const sighting = (await search.upTo(await present(), [seen])).get(seen.messageId);
    assert.deepEqual(sighting, { kind: 'posted', block: { number, hash }, isFinal: true });
    assert.ok(refused > 0, 'which sequence was next there can not be known');
  });

  it('does without the sequence after a block where it can not be read, and not where the chain is out of reach', async () => {
    const signed = await facts('seen without a sequence');
    await post(signed, 'seen without a sequence');
    const searchWhere = (code: ErrorCode) => {
      const ingressSequence = () => Promise.reject(new RelayError(code));
      const at = (hash: Hex) => replacing(chain.at(hash), { ingressSequence });
      return new PostedSearch(replacing(chain, { at }), sender.identity, new AbortController().signal);
    };
    for (const code of ['state-discarded', 'bad-storage', 'rpc-failed'] as const) {
      const sightings = await searchWhere(code).upTo(await present(), [signed]);
      assert.equal(sightings.get(signed.messageId)?.kind, 'posted');
    }
    for (const code of ['aborted', 'chain-stopped', 'chain-unreachable', 'node-lies'] as const)
      await rejected(searchWhere(code).upTo(await present(), [signed]), code);
  });

  it('goes on where the last block that it looked at was made up, and forgets what that one held', async () => {
    let isMadeUp = true;
    const messages = replacing(chain.messages, {
      follow: async function* (after, options, signal) {
        if (!isMadeUp) yield* chain.messages.follow(after, options, signal);
        const through = { number: after.number + 1, hash: `0x${'ba'.repeat(32)}` } as const;
        const message: PostedMessage = {
          ...{ sender: { kind: 'worker' as const, id: sender.identity }, destination: utf8('elsewhere') },
          ...{ payload: utf8('never posted'), block: through, proven: false },
        };
        yield { type: 'blocks', through, messages: [message] };
        throw new Error('a block is made up, no more');
      },
    });
    const search = new PostedSearch(replacing(chain, { messages }), sender.identity, new AbortController().signal);
    const signed = await facts('never posted');
    await dev.newBlock({ empty: true });
    await until(async () => (await chain.finalizedHead()).number === signed.since + 1);
    assert.deepEqual([...(await search.upTo(await present(), [signed])).keys()], [signed.messageId]);
    isMadeUp = false;
    await dev.newBlock({ empty: true });
    await until(async () => (await chain.finalizedHead()).number === signed.since + 2);
    await assert.rejects(search.upTo(await present(), [signed]), (error) => isRelayError(error, 'cursor-not-on-chain'));
    assert.deepEqual([...(await search.upTo(await present(), [signed])).keys()], []);
  });
});
