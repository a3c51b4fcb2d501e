import assert from 'node:assert/strict';
import { createOutput } from '../../src/cli/output.ts';
import { tellOnChain } from '../../src/cli/send/tell-on-chain.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { Arrival, Receipt } from '../../src/outbox/index.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { linesTo } from './lines-to.ts';

const hash = `0x${'0b'.repeat(32)}` as const;
const inBlock: Arrival = { state: 'inBlock', messageId: hash, blockHash: hash, blockNumber: 5 };
const relayed: Arrival = { state: 'relayed', messageId: hash, status: 'stored', endpoint: 'ws://relay.example' };

describe('cli: which messages of earlier commands went on chain', () => {
  const all = Array.from({ length: 1_000 }, (_, i) => BigInt(i));
  let printed: string[];
  /** Of those that are followed. */
  let ends: Map<bigint, { readonly resolve: (arrival: Arrival) => void; readonly reject: (error: unknown) => void }>;
  let mostFollowed: number;

  beforeEach(() => {
    printed = [];
    ends = new Map();
    mostFollowed = 0;
  });

  const outbox = {
    receipt: (sendId: bigint) =>
      Promise.resolve({
        reached: () => {
          const end = new Promise<Arrival>((resolve, reject) => ends.set(sendId, { resolve, reject }));
          mostFollowed = Math.max(mostFollowed, ends.size);
          return end.finally(() => ends.delete(sendId));
        },
      } as unknown as Receipt),
  };
  const tell = (sendIds: readonly bigint[], isJson = false): Promise<void> =>
    tellOnChain(
      outbox,
      sendIds,
      createOutput(
        isJson,
        linesTo((line) => void printed.push(line)),
      ),
    );
  const numbers = (): bigint[] =>
    printed.map((line) => BigInt(/^Message (\d+), .* in block 5\.$/m.exec(line)?.[1] ?? -1));

  it('are all told of, in their order, and few of them followed at a time', async () => {
    const telling = tell(all);
    for (const sendId of all) {
      await until(() => ends.has(sendId));
      ends.get(sendId)?.resolve(inBlock);
    }
    await telling;
    assert.deepEqual(numbers(), all);
    assert.equal(mostFollowed, 256);
  });

  it('are none that went off chain, or did not go', async () => {
    const telling = tell([1n, 2n, 3n]);
    await until(() => ends.size === 3);
    ends.get(1n)?.resolve(relayed);
    ends.get(2n)?.reject(new RelayError('fee-too-high', { details: { fee: 2n, maxFee: 1n } }));
    ends.get(3n)?.resolve(inBlock);
    await telling;
    assert.deepEqual(numbers(), [3n]);
  });

  it('are told of no more once the outbox has stopped', async () => {
    const telling = tell(all);
    await until(() => ends.size === 256);
    for (const { reject } of [...ends.values()]) reject(new RelayError('aborted'));
    await rejected(telling, 'aborted');
    assert.deepEqual([printed, mostFollowed], [[], 256]);
  });

  it('are not followed with --json, which tells nothing of them', async () => {
    await tell(all, true);
    assert.deepEqual([printed, mostFollowed], [[], 0]);
  });
});
