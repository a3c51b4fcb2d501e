import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { TunnelHosts } from '../../src/relay/tunnel-hosts.ts';

describe('relay: what all tunnels take of one address', () => {
  const free = (): number => 0;
  const ends = (near: string, far = 'a') => ({ near, far });

  it('is bounded together, a quarter of it by one that asks, and no other address pays', () => {
    let now = 0;
    const hosts = new TunnelHosts(() => now);
    for (const near of ['1', '2', '3', '4']) {
      for (let n = 0; n < 250; n++) assert.equal(hosts.charge(ends(near), 1, free), 0);
      assert.ok(hosts.charge(ends(near), 1, free) > 0);
      assert.equal(hosts.charge(ends(near, 'b'), 1, free), 0);
    }
    assert.ok(hosts.charge(ends('5'), 1, free) > 0);
    assert.equal(hosts.take(ends('5')), false);
    now += 1_000;
    assert.equal(hosts.take(ends('5')), true);
    assert.equal(hosts.charge(ends('5'), 100, free), 0);
  });

  it('is a number of tunnels, too, a quarter of them for one that asks', () => {
    let now = 0;
    const hosts = new TunnelHosts(() => (now += 1_000));
    const open = (near: string): number => {
      let taken = 0;
      while (taken < 100 && hosts.take(ends(near))) taken += 1;
      return taken;
    };
    assert.deepEqual(['1', '2', '3', '4', '5'].map(open), [16, 16, 16, 16, 0]);
    assert.equal(hosts.take(ends('1', 'b')), true);
    hosts.giveBack(ends('1'));
    assert.equal(open('5'), 1);
  });

  it('is not charged for what who asks may not have', () => {
    const hosts = new TunnelHosts(() => 0);
    for (let n = 0; n < 2_000; n++)
      assert.equal(
        hosts.charge(ends('1'), 1, () => 7),
        7,
      );
    assert.equal(hosts.charge(ends('1'), 250, free), 0);
    for (const near of ['2', '3', '4']) assert.equal(hosts.charge(ends(near), 250, free), 0);
  });
});
