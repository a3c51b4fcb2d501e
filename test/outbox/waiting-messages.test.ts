import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toHex, type Hex } from '../../src/codec/index.ts';
import type { OffChainEntry } from '../../src/outbox/off-chain-entry.ts';
import { WaitingMessages } from '../../src/outbox/waiting-messages.ts';

const recipient = (n: number): Hex => toHex(new Uint8Array(32).fill(n));
const entry = fc.record({ id: fc.bigInt(0n, 40n), to: fc.nat(3).map(recipient), mayGoOnChain: fc.boolean() });
const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), entry }),
  fc.record({ kind: fc.constantFrom('take' as const, 'release' as const) }),
  fc.record({ kind: fc.constantFrom('remove' as const), entry }),
);

describe('outbox: messages that wait', () => {
  it('are given oldest first for each recipient, one at a time, and none is missed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const waiting = new WaitingMessages();
        /** By id: of one there is one recipient and one way. */
        const model = new Map<bigint, OffChainEntry>();
        const taken = new Set<Hex>();
        const of = (to: Hex) => [...model.values()].filter((each) => each.to === to);
        for (const each of steps)
          switch (each.kind) {
            case 'add': {
              const known = model.get(each.entry.id) ?? each.entry;
              model.set(known.id, known);
              waiting.add(known);
              break;
            }
            case 'remove': {
              const known = model.get(each.entry.id);
              if (known === undefined) break;
              model.delete(known.id);
              waiting.remove(known.to, known.id);
              break;
            }
            case 'take': {
              const next = waiting.take();
              const free = [...model.values()].filter(({ to }) => !taken.has(to));
              assert.equal(next === undefined, free.length === 0);
              if (next === undefined) break;
              assert.ok(!taken.has(next.to));
              taken.add(next.to);
              assert.equal(next.id, leastOf(of(next.to)));
              break;
            }
            case 'release': {
              const [to] = taken;
              if (to === undefined) break;
              taken.delete(to);
              waiting.release(to);
            }
          }
        for (const to of [0, 1, 2, 3].map(recipient)) {
          const ids = of(to).filter(({ mayGoOnChain }) => mayGoOnChain);
          assert.deepEqual(waiting.mayGoOnChain(to, 100), ids.map(({ id }) => id).sort(ascending));
        }
      }),
    );
  });

  it('take turns by recipient', () => {
    const waiting = new WaitingMessages();
    [1, 1, 2, 3].forEach((n, id) => {
      waiting.add({ id: BigInt(id), to: recipient(n), mayGoOnChain: false });
    });
    const order: bigint[] = [];
    for (let next = waiting.take(); next !== undefined; next = waiting.take()) {
      order.push(next.id);
      waiting.remove(next.to, next.id);
      waiting.release(next.to);
    }
    assert.deepEqual(order, [0n, 2n, 3n, 1n]);
  });

  it('go in order by the ten thousand', () => {
    const waiting = new WaitingMessages();
    const count = 10_000;
    for (let id = 0; id < count; id++)
      waiting.add({ id: BigInt(id), to: recipient(id % 7), mayGoOnChain: id % 2 === 0 });
    const given = new Set<bigint>();
    for (let next = waiting.take(); next !== undefined; next = waiting.take()) {
      given.add(next.id);
      waiting.remove(next.to, next.id);
      waiting.release(next.to);
    }
    assert.equal(given.size, count);
  });
});

function leastOf(entries: readonly OffChainEntry[]): bigint | undefined {
  return entries.map(({ id }) => id).sort(ascending)[0];
}

function ascending(a: bigint, b: bigint): number {
  return Number(a - b);
}
