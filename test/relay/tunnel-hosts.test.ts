import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { TunnelHosts } from '../../src/relay/tunnel-hosts.ts';

describe('relay: what all tunnels take of one address', () => {
  const free = (): number => 0;
  const never = (): void => {
    assert.fail('nobody has to give way');
  };
  const ends = (near: string, far = 'a') => ({ near, far });

  it('is bounded together, a third of it by one that asks, and no other address pays', () => {
    let now = 0;
    const hosts = new TunnelHosts(() => now);
    const said = (near: string): number => {
      for (let n = 0; n <= 1_000; n++) if (hosts.charge(ends(near), 1, free) > 0) return n;
      return Infinity;
    };
    assert.equal(said('1'), 334);
    assert.equal(hosts.charge(ends('1', 'b'), 1, free), 0);
    const all = 334 + ['2', '3', '4', '5', '6', '7', '8'].reduce((sum, near) => sum + said(near), 0);
    assert.ok(all < 1_000, String(all));
    now += 10_000;
    assert.equal(said('1'), 334);
  });

  it('is not kept from others by four addresses that take all they may: a new one dials at once', () => {
    const hosts = new TunnelHosts(() => 0);
    const hogs = ['1', '2', '3', '4'];
    const evicted: string[] = [];
    for (const near of hogs)
      for (let n = 0; n < 16; n++) assert.ok(hosts.take(ends(near), () => evicted.push(`${near}.${n}`)));
    for (const near of hogs) while (hosts.charge(ends(near), 1, free) === 0);
    for (const near of hogs) assert.ok(hosts.charge(ends(near), 1, free) > 0);
    assert.ok(hosts.take(ends('5'), never));
    assert.deepEqual(evicted, ['1.0']);
    for (let n = 0; n < 80; n++) assert.equal(hosts.charge(ends('5'), 1, free), 0);
  });

  it('is a number of tunnels, too, a quarter of them for one that asks; who has the most gives way to who has fewer', () => {
    let now = 0;
    const hosts = new TunnelHosts(() => (now += 1_000));
    const evicted: string[] = [];
    const places = new Map<string, () => void>();
    const open = (near: string): number => {
      for (let n = 0; n < 100; n++) {
        const name = `${near}.${n}`;
        const leave = hosts.take(ends(near), () => evicted.push(name));
        if (leave === undefined) return n;
        places.set(name, leave);
      }
      return 100;
    };
    assert.deepEqual(['1', '2', '3', '4'].map(open), [16, 16, 16, 16]);
    assert.ok(hosts.take(ends('1', 'b'), never));
    assert.deepEqual(evicted.slice(), []);
    const own = open('5');
    assert.equal(own, evicted.length);
    const left = ['1', '2', '3', '4'].map((near) => 16 - evicted.filter((name) => name.startsWith(`${near}.`)).length);
    assert.ok(Math.max(...left) - own <= 1 && Math.min(...left) >= own, `${left.join(', ')} and ${own}`);
    for (const near of ['1', '2', '3', '4']) {
      const of = evicted.filter((name) => name.startsWith(`${near}.`));
      assert.deepEqual(
        of,
        Array.from(of, (_, n) => `${near}.${n}`),
      );
    }
    // What was another's by then is no place that is given back.
    places.get(evicted[0] ?? '')?.();
    assert.equal(hosts.take(ends('5'), never), undefined);
    places.get('1.15')?.();
    assert.ok(hosts.take(ends('6'), never));
  });

  it('takes nothing from anybody for who may not dial now', () => {
    const hosts = new TunnelHosts(() => 0);
    for (const near of ['1', '2', '3', '4']) for (let n = 0; n < 16; n++) assert.ok(hosts.take(ends(near), never));
    assert.equal(hosts.charge(ends('5'), 250, free), 0);
    assert.equal(hosts.take(ends('5'), never), undefined);
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
