import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
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

  for (const [code, what] of [
    [1013, 'has already'],
    [1012, 'was told to ban'],
  ] as const)
    for (const as of ['worker', 'account'] as const)
      it(`a message of a ${as} in an extrinsic that the pool ${what} (${code}) comes in once`, async () => {
        const folder = await temporaryFolder();
        try {
          await using node = await startRealNode({ blockTimeMs: 2_000 });
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
          assert.deepEqual(await postedNonces(direct, b, 1), [receipt.nonce]);
        } finally {
          await folder.remove();
        }
      });
});

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
