import assert from 'node:assert/strict';
import { connectChain, signedMessagesIn, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { startRpcProxy, type Fault, type Passing, type RpcProxy } from '../support/rpc-proxy.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { until } from '../support/until.ts';

interface Node extends AsyncDisposable {
  readonly ws: string;
}

const kinds = ['worker', 'account'] as const;
/** Of an extrinsic. */
const eraBlocks = 64;
/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 180_000;
const blockTimeMs = 100;

describe('outbox: what breaks on the way', function () {
  this.timeout(nodeTimeoutMs);
  breaksOn(() => startDevChain({ blockTimeMs, finalityLag: 1 }));
});

describeRealNode('outbox: what breaks on the way', function () {
  this.timeout(nodeTimeoutMs);
  breaksOn(() => startRealNode({ blockTimeMs }));
});

function breaksOn(start: () => Promise<Node>): void {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: Node;
  let direct: Chain;
  let proxy: RpcProxy;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    node = await start();
    direct = await connectChain({ endpoints: [node.ws] });
    [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  beforeEach(async () => {
    first = (await direct.bestHead()).number + 1;
    proxy = await startRpcProxy(node.ws);
    open.push(proxy);
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await direct.stop();
    await node[Symbol.asyncDispose]();
    await folder.remove();
  });

  async function outbox(isStarted = true): Promise<Outbox> {
    const chain = await connectChain({
      ...{ endpoints: [proxy.ws], timeoutMs: 3_000, silenceMs: 1_500 },
      backoff: { minMs: 5, maxMs: 50 },
    });
    open.push(chain);
    const directory = await directoryOf(recipient);
    const made = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
    open.push(made);
    if (isStarted) await made.start();
    return made;
  }

  /** Nonces of the messages to the recipient since the test began. */
  const posted = (): Promise<bigint[]> => postedNonces(direct, recipient, first);

  const send = (box: Outbox, text: string, as: 'worker' | 'account'): Promise<Receipt> =>
    box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as, via: 'chain' });

  async function untilFinalized(number: number): Promise<void> {
    await until(async () => (await direct.finalizedHead()).number >= number);
  }

  /** Keeps extrinsics from the node, and gives them as they come. */
  function hold(): Hex[] {
    const held: Hex[] = [];
    proxy.hold = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      held.push(extrinsic as Hex);
      return new Promise(() => undefined);
    };
    return held;
  }

  const isSubmission = ({ method }: Passing): boolean => method.startsWith('author_submit');
  const faults: readonly (readonly [string, (passing: Passing) => Fault | undefined])[] = [
    ['the answer to each extrinsic is cut off', (passing) => (isSubmission(passing) ? { kind: 'cut' } : undefined)],
    [
      'what the node tells of each extrinsic never comes',
      ({ method }) => (method === 'author_extrinsicUpdate' ? { kind: 'swallow' } : undefined),
    ],
    ['each thirtieth message from the node cuts the connection', everyNth(30, { kind: 'cut' })],
    ['each thirtieth message from the node is half of it', everyNth(30, { kind: 'truncate' })],
  ];
  for (const as of kinds)
    for (const [what, fault] of faults)
      it(`messages of a ${as} come in once and in order where ${what}`, async () => {
        const box = await outbox();
        proxy.fault = fault;
        const receipts: Receipt[] = [];
        for (let n = 0; n < 6; n++) {
          receipts.push(await send(box, `${n}`, as));
          if (n % 2 === 1) await receipts.at(-1)?.reached('inBlock');
        }
        for (const receipt of receipts) await receipt.reached('finalized');
        assert.ok([...proxy.made.values()].some((times) => times > 0));
        assert.deepEqual(
          await posted(),
          receipts.map(({ nonce }) => nonce),
        );
      });

  for (const as of kinds)
    it(`a message of a ${as} whose extrinsic dies of age on its way goes in another, once`, async () => {
      const held = hold();
      const box = await outbox();
      const receipt = await send(box, 'aged', as);
      await until(() => held.length > 0);
      const [lost] = held;
      const { number } = await direct.bestHead();
      await untilFinalized(number + eraBlocks + 2);
      proxy.hold = (method, [extrinsic]) => {
        if (method.startsWith('author_submit')) held.push(extrinsic as Hex);
        return undefined;
      };
      proxy.cut();
      await receipt.reached('finalized');
      assert.ok(held.some((extrinsic) => extrinsic !== lost));
      assert.deepEqual(await posted(), [receipt.nonce]);
    });

  it("of a worker's messages in one extrinsic, what someone else posted first is left out and the rest goes on", async () => {
    const held = hold();
    const box = await outbox(false);
    const receipts: Receipt[] = [];
    for (const text of ['first', 'second', 'third']) receipts.push(await send(box, text, 'worker'));
    await box.start();
    await until(() => held.length > 0);
    const signed = signedMessagesIn(held[0] ?? '0x', sender.identity);
    assert.equal(signed.length, 3);
    for (const { destination, payload, sequence, signature } of signed.slice(0, 1)) {
      const call = { kind: 'sync-offchain-message', worker: sender.identity, destination, payload } as const;
      await direct.submit([{ ...call, sequence, signature }], bob);
    }
    proxy.hold = () => undefined;
    proxy.cut();
    for (const receipt of receipts) await receipt.reached('finalized');
    assert.deepEqual(
      await posted(),
      receipts.map(({ nonce }) => nonce),
    );
  });
}

function everyNth(n: number, fault: Fault): () => Fault | undefined {
  let count = 0;
  return () => (++count % n === 0 ? fault : undefined);
}
