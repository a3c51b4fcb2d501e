import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { WaitPlaces } from '../../src/relay/wait-places.ts';

const isBusy = (error: unknown): boolean => isRelayError(error, 'relay-busy');

describe('relay: places of those that wait', () => {
  /** Takes a place; a wait that loses it is listed. */
  const takerOf = (places: WaitPlaces) => {
    const evicted: string[] = [];
    const take = (address: string, name = address) =>
      places.take(address, (error) => {
        assert.ok(isBusy(error));
        evicted.push(name);
      });
    return { evicted, take };
  };

  it('are an eighth for one address, and there again when a wait is over, which ends once', () => {
    const { take } = takerOf(new WaitPlaces(16, 'waits'));
    const leave = take('a');
    take('a');
    assert.throws(() => take('a'), isBusy);
    leave();
    leave();
    take('a');
    assert.throws(() => take('a'), isBusy);
  });

  it('are one at least for each address', () => {
    const { take } = takerOf(new WaitPlaces(4, 'waits'));
    take('a');
    assert.throws(() => take('a'), isBusy);
    for (const address of ['b', 'c', 'd']) take(address);
    assert.throws(() => take('e'), isBusy);
  });

  it('are given up by who has the most, the oldest first, to who has fewer, and not the other way round', () => {
    const { evicted, take } = takerOf(new WaitPlaces(32, 'waits'));
    for (const address of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
      for (const n of [1, 2, 3, 4]) take(address, `${address}${n}`);
    take('i');
    take('i');
    assert.deepEqual(evicted, ['a1', 'b1']);
    take('i');
    assert.deepEqual(evicted, ['a1', 'b1', 'c1']);
    // As many as those that have the most.
    assert.throws(() => take('i'), isBusy);
    assert.throws(() => take('a'), isBusy);
    assert.equal(evicted.length, 3);
  });

  it('are never more than there are, nor kept from who has fewer than another, and all there again when all is over', () => {
    const step = fc.record({ address: fc.nat(11), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const places = new WaitPlaces(40, 'waits');
        const waits = Array.from({ length: 12 }, () => new Map<object, () => void>());
        const total = (): number => waits.reduce((sum, { size }) => sum + size, 0);
        for (const { address, leaves } of steps) {
          const own = waits[address] ?? new Map<object, () => void>();
          const [oldest] = own;
          if (leaves) {
            oldest?.[1]();
            if (oldest !== undefined) own.delete(oldest[0]);
            continue;
          }
          const most = Math.max(...waits.map(({ size }) => size));
          const mayHave = own.size < 5 && (total() < 40 || own.size + 1 < most);
          const wait = {};
          const take = (): void => {
            const leave = places.take(String(address), () => {
              assert.equal(own.keys().next().value, wait);
              assert.equal(own.size, Math.max(...waits.map(({ size }) => size)));
              own.delete(wait);
              leave();
            });
            own.set(wait, leave);
          };
          assert.equal(places.hasRoom(String(address)), mayHave);
          assert.equal(places.isEmpty, total() === 0);
          if (mayHave) take();
          else assert.throws(take, isBusy);
          assert.ok(total() <= 40);
        }
        for (const own of waits) for (const leave of own.values()) leave();
        for (let n = 0; n < 40; n++) places.take(`after ${n % 8}`, () => assert.fail());
      }),
    );
  });
});
