import assert from 'node:assert/strict';
import { accountFromSuri, connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { createOutbox, type Outbox, type OutboxOptions } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { openWallet } from '../chain/support.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { describeRealNode, startRealNode, useRealNode } from '../support/real-node.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { until } from '../support/until.ts';

/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 180_000;
const each = 6;

describeRealNode('outbox', function () {
  this.timeout(nodeTimeoutMs);

  for (const [what, args] of [
    ['on a node with room', []],
    ['on a node whose pool holds one extrinsic', ['--pool-limit', '1']],
  ] as const)
    it(`comes through beside another with the same account, each in its order, ${what}`, async () => {
      const folder = await temporaryFolder();
      try {
        await using node = await startRealNode({ blockTimeMs: 400, args });
        await using one = await connectChain({ endpoints: [node.ws] });
        await using other = await connectChain({ endpoints: [node.ws] });
        const [a, b] = (await registered(one, folder.path, ['a', 'b'])) as [Vault, Vault];
        const sent = await Promise.all([one, other].map((chain, i) => sendAll(chain, a, b, `${i}`)));
        const nonces = await postedNonces(one, b, 1);
        assert.deepEqual(nonces.toSorted(), sent.flat().toSorted());
        for (const own of sent)
          assert.deepEqual(
            nonces.filter((nonce) => own.includes(nonce)),
            own,
          );
      } finally {
        await folder.remove();
      }
    });
});

describeRealNode('outbox: what the pool has, and what it has banned', function () {
  this.timeout(nodeTimeoutMs);
  const node = useRealNode({ blockTimeMs: 2_000 });

  for (const [code, what] of [
    [1013, 'has already'],
    [1012, 'was told to ban'],
  ] as const)
    for (const as of ['worker', 'account'] as const)
      it(`a message of a ${as} in an extrinsic that the pool ${what} (${code}) comes in once`, async () => {
        const folder = await temporaryFolder();
        try {
          await using direct = await connectChain({ endpoints: [node.ws] });
          const [a, b] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
          await using proxy = await startRpcProxy(node.ws);
          const codes: (number | undefined)[] = [];
          proxy.hold = (method, [extrinsic]) => {
            if (codes.length > 0 || !method.startsWith('author_submit')) return undefined;
            codes.push(undefined);
            return (async () => {
              // Right after a block: none takes it before the pool was asked a second time.
              const { number } = await direct.bestHead();
              await until(async () => (await direct.bestHead()).number > number);
              await rpc(node.ws, 'author_submitExtrinsic', [extrinsic]);
              if (code === 1012) await rpc(node.ws, 'author_removeExtrinsic', [[{ extrinsic }]]);
              codes[0] = (await rpc(node.ws, 'author_submitExtrinsic', [extrinsic])).error?.code;
            })();
          };
          await using chain = await connectChain({ endpoints: [proxy.ws] });
          const directory = await directoryOf(b);
          await using box = createOutbox({ chain, vault: a, store: openMemoryStore(), directory, account: alice });
          await box.start();
          const body = { kind: 'data', content: utf8(what) } as const;
          const receipt = await box.send({ to: b.identity, body, as });
          await receipt.reached('finalized');
          assert.deepEqual(codes, [code]);
          assert.deepEqual([...new Set(codesOf(proxy))], [code], 'the outbox got it too');
          assert.deepEqual(await postedNonces(direct, b, 1), [receipt.nonce]);
        } finally {
          await folder.remove();
        }
      });

  for (const as of ['worker', 'account'] as const)
    it(`a message of a ${as} whose nonce another extrinsic in the pool has (1014) comes in once, behind it`, async () => {
      await onNode(node, async ({ direct, proxy, recipient, outbox }) => {
        const box = await outbox();
        beforeFirst(proxy, async () => {
          await rightAfterABlock(direct);
          await direct.post([elsewhere], alice, { tip: 1_000n });
        });
        const receipt = await send(box, recipient, as);
        await receipt.reached('finalized');
        assert.ok(codesOf(proxy).includes(1014), codesOf(proxy).join());
        assert.deepEqual(await postedNonces(direct, recipient, 1), [receipt.nonce]);
      });
    });
});

describeRealNode('outbox: what the pool refuses', function () {
  this.timeout(nodeTimeoutMs);
  const node = useRealNode({ blockTimeMs: 500 });

  for (const as of ['worker', 'account'] as const) {
    it(`a message of a ${as} that the account can not pay for (1010) comes in once it can`, async () => {
      await onNode(node, async ({ direct, proxy, recipient, outbox }) => {
        const poor = accountFromSuri(`//Poor/${as}`);
        const setbacks: string[] = [];
        const box = await outbox({ account: poor, onSetback: ({ code }) => setbacks.push(code) });
        const receipt = await send(box, recipient, as);
        await until(() => setbacks.includes('balance-too-low'));
        assert.ok(codesOf(proxy).includes(1010), codesOf(proxy).join());
        await using wallet = await openWallet(node.ws);
        await wallet.post(wallet.api.tx.balances.transferKeepAlive(poor.id, 10n ** 15n), wallet.alice);
        await receipt.reached('finalized');
        assert.deepEqual(await postedNonces(direct, recipient, 1), [receipt.nonce]);
      });
    });

    it(`a message of a ${as} whose nonce was used meanwhile (1010) comes in once`, async () => {
      await onNode(node, async ({ direct, proxy, recipient, outbox }) => {
        const box = await outbox();
        beforeFirst(proxy, async () => {
          await direct.submit([elsewhere], alice);
        });
        const receipt = await send(box, recipient, as);
        await receipt.reached('finalized');
        assert.ok(codesOf(proxy).includes(1010), codesOf(proxy).join());
        assert.deepEqual(await postedNonces(direct, recipient, 1), [receipt.nonce]);
      });
    });
  }
});

describeRealNode('outbox: what a full pool drops', function () {
  this.timeout(nodeTimeoutMs);
  const node = useRealNode({ blockTimeMs: 2_000, args: ['--pool-limit', '1'] });

  for (const as of ['worker', 'account'] as const)
    it(`a message of a ${as} that a full pool drops (1016) comes in once there is room`, async () => {
      await onNode(node, async ({ direct, proxy, recipient, outbox }) => {
        const box = await outbox();
        beforeFirst(proxy, async () => {
          await rightAfterABlock(direct);
          await direct.post([elsewhere], bob, { tip: 1_000_000_000n });
        });
        const receipt = await send(box, recipient, as);
        await receipt.reached('finalized');
        assert.ok(codesOf(proxy).includes(1016), codesOf(proxy).join());
        assert.deepEqual(await postedNonces(direct, recipient, 1), [receipt.nonce]);
      });
    });
});

const elsewhere: Call = { kind: 'push-message', destination: utf8('elsewhere'), payload: utf8('x') };

interface OnNode {
  readonly direct: Chain;
  /** Between the outboxes and the node. */
  readonly proxy: RpcProxy;
  readonly recipient: Vault;
  outbox(options?: Partial<OutboxOptions>): Promise<Outbox>;
}

async function onNode(node: { readonly ws: string }, play: (parts: OnNode) => Promise<void>): Promise<void> {
  const folder = await temporaryFolder();
  const open: Outbox[] = [];
  try {
    await using direct = await connectChain({ endpoints: [node.ws] });
    const [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
    await using proxy = await startRpcProxy(node.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const directory = await directoryOf(recipient);
    const outbox = async (more: Partial<OutboxOptions> = {}): Promise<Outbox> => {
      const parts = { chain, vault: sender, store: openMemoryStore(), directory, account: alice };
      const box = createOutbox({ ...parts, ...more });
      open.push(box);
      await box.start();
      return box;
    };
    await play({ direct, proxy, recipient, outbox });
  } finally {
    await Promise.all(open.map((box) => box.stop()));
    await folder.remove();
  }
}

/** What happens before the node gets the first extrinsic that is posted through the proxy. */
function beforeFirst(proxy: RpcProxy, happen: () => Promise<void>): void {
  let isFirst = true;
  proxy.hold = (method) => {
    if (!isFirst || !method.startsWith('author_submit')) return undefined;
    isFirst = false;
    return happen();
  };
}

/** So that what is posted now is in the pool for a whole block time. */
async function rightAfterABlock(direct: Chain): Promise<void> {
  const { number } = await direct.bestHead();
  await until(async () => (await direct.bestHead()).number > number);
}

/** With which the node refused extrinsics that came through the proxy. */
function codesOf({ refused }: RpcProxy): number[] {
  return refused.filter(({ method }) => method.startsWith('author_submit')).map(({ code }) => code);
}

function send(box: Outbox, recipient: Vault, as: 'worker' | 'account') {
  return box.send({ to: recipient.identity, body: { kind: 'data', content: utf8('x') }, as, via: 'chain' });
}

interface Answer {
  readonly error?: { readonly code: number };
}

async function rpc(ws: string, method: string, params: readonly unknown[]): Promise<Answer> {
  const response = await fetch(ws.replace(/^ws/, 'http'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return (await response.json()) as Answer;
}

/** Sends one after the other is in a block, so that both outboxes post all the time. Gives the nonces. */
async function sendAll(chain: Chain, sender: Vault, recipient: Vault, name: string): Promise<bigint[]> {
  const directory = await directoryOf(recipient);
  await using box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
  await box.start();
  const nonces: bigint[] = [];
  for (let i = 0; i < each; i++) {
    const body = { kind: 'data', content: utf8(`${name} ${i}`) } as const;
    const receipt = await box.send({ to: recipient.identity, body, as: 'account' });
    nonces.push(receipt.nonce);
    await receipt.reached('inBlock');
  }
  return nonces;
}
