import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SharedRate } from '../../src/relay/shared-rate.ts';

describe('relay: a rate that those share who ask', () => {
  const rate = { perSecond: 100, burst: 1_000 };
  const stepMs = 10;

  /** Who asks for units at each step, as much as there is of `wants` a second, and what each has had by the end. */
  const simulate = () => {
    let now = 0;
    const shared = new SharedRate(rate, () => now);
    const had = new Map<string, number>();
    const run = (seconds: number, wants: Readonly<Record<string, number>>): void => {
      const open = new Map<string, number>();
      for (const end = now + seconds * 1_000; now < end; now += stepMs)
        for (const [who, perSecond] of Object.entries(wants)) {
          let left = (open.get(who) ?? 0) + (perSecond * stepMs) / 1_000;
          for (; left >= 1 && shared.waitMs(who) === 0; left--) {
            shared.take(who, 1);
            had.set(who, (had.get(who) ?? 0) + 1);
          }
          open.set(who, left);
        }
    };
    const of = (who: string): number => {
      const units = had.get(who) ?? 0;
      had.delete(who);
      return units;
    };
    return { run, of };
  };

  it('is one alone’s, and a third of the burst at once', () => {
    const { run, of } = simulate();
    run(10, { a: 1_000 });
    const first = of('a');
    assert.ok(first >= 334 + 990 && first <= 334 + 1_010, String(first));
    run(10, { a: 1_000 });
    const second = of('a');
    assert.ok(second >= 990 && second <= 1_010, String(second));
  });

  it('is shared evenly by those that want more than there is, whoever came first; who wants less has that', () => {
    const { run, of } = simulate();
    const hogs = { a: 1_000, b: 1_000, c: 1_000, d: 300 };
    run(60, hogs);
    for (const who of Object.keys(hogs)) of(who);
    run(60, { ...hogs, few: 5, late: 1_000 });
    // What it may be ahead comes on top, a part of seven of the burst.
    const late = of('late');
    assert.ok(of('few') >= 299);
    const others = Object.keys(hogs).map(of);
    const even = (60 * (rate.perSecond - 5)) / 5;
    for (const units of others) assert.ok(units > even * 0.85 && units < even * 1.05, `${units} of ${even}`);
    assert.ok(late > even && late < even + 1_000 / 6, `${late} of ${even}`);
    run(60, { ...hogs, few: 5, late: 1_000 });
    for (const who of [...Object.keys(hogs), 'late']) {
      const units = of(who);
      assert.ok(units > even * 0.95 && units < even * 1.05, `${units} of ${even}`);
    }
  });

  it('is there for who took nothing, whatever some others take, and never more than it is', () => {
    const step = fc.record({ who: fc.nat(7), units: fc.integer({ min: 1, max: 16 }), afterMs: fc.nat(200) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 500 }), (steps) => {
        let now = 0;
        let taken = 0;
        const shared = new SharedRate(rate, () => now);
        for (const { who, units, afterMs } of steps) {
          now += afterMs;
          for (let n = 0; n < 100 && shared.waitMs(String(who)) === 0; n++) {
            shared.take(String(who), units);
            taken += units;
          }
          assert.equal(shared.waitMs('new'), 0);
          assert.ok(taken <= rate.burst + (rate.perSecond * now) / 1_000, `${taken} at ${now}`);
        }
      }),
    );
  });

  it('says when there is more', () => {
    let now = 0;
    const shared = new SharedRate(rate, () => now);
    for (const who of ['a', 'b', 'c']) while (shared.waitMs(who) === 0) shared.take(who, 1);
    for (let n = 0; n < 10; n++)
      for (const who of ['a', 'b', 'c']) {
        const waitMs = shared.waitMs(who);
        assert.ok(waitMs >= 0);
        now += waitMs;
        assert.equal(shared.waitMs(who), 0);
        shared.take(who, 1);
      }
  });

  it('is no more where the clock goes back, and goes on from there', () => {
    let now = 10_000;
    const shared = new SharedRate(rate, () => now);
    while (shared.waitMs('a') === 0) shared.take('a', 1);
    now = 0;
    const waitMs = shared.waitMs('a');
    assert.ok(waitMs > 0);
    now += waitMs;
    assert.equal(shared.waitMs('a'), 0);
  });
});
