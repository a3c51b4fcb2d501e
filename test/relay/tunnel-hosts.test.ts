import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { TunnelHosts } from '../../src/relay/tunnel-hosts.ts';

describe('relay: what all tunnels take of one host', () => {
  const free = (): number => 0;

  it('is bounded together, by any path of it, and no other host pays', () => {
    let now = 0;
    const hosts = new TunnelHosts(() => now);
    for (let n = 0; n < 1_000; n++) assert.equal(hosts.charge(`http://a.example/${n}`, 1, free), 0);
    assert.ok(hosts.charge('http://A.example/x', 1, free) > 0);
    assert.equal(hosts.take('http://a.example'), false);
    assert.equal(hosts.charge('http://b.example', 1, free), 0);
    now += 1_000;
    assert.equal(hosts.take('http://a.example'), true);
    assert.equal(hosts.charge('http://a.example', 100, free), 0);
  });

  it('is not charged for what who asks may not have', () => {
    const hosts = new TunnelHosts(() => 0);
    for (let n = 0; n < 2_000; n++)
      assert.equal(
        hosts.charge('http://a.example', 1, () => 7),
        7,
      );
    assert.equal(hosts.charge('http://a.example', 1_000, free), 0);
  });
});
