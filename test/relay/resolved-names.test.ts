import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ResolvedNames } from '../../src/relay/resolved-names.ts';

describe('relay: what names of endpoints lead to', () => {
  const make = (addresses: Record<string, readonly string[]>) => {
    let now = 0;
    const asked: string[] = [];
    const names = new ResolvedNames(
      (name, callback) => {
        asked.push(name);
        const found = addresses[name];
        if (found === undefined) callback(new Error('ENOTFOUND'));
        else
          callback(
            null,
            found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
          );
      },
      () => now,
    );
    return { names, asked, later: (ms: number) => (now += ms) };
  };

  it('is one for all forms of an address, and for all of a /64', () => {
    const { names, asked } = make({});
    const of = (url: string) => names.networkOf(url);
    assert.equal(of('http://198.41.0.4:1/a'), '198.41.0.4');
    assert.equal(of('ws://[::ffff:198.41.0.4]:2'), '198.41.0.4');
    assert.equal(of('http://[2606:4700::1]'), of('https://[2606:4700:0:0:ffff::2]'));
    assert.notEqual(of('http://[2606:4700::1]'), of('http://[2606:4700:0:1::1]'));
    assert.deepEqual(asked, []);
  });

  it('is asked for once, and known for a minute; who dials meanwhile, and a little longer, dials that', async () => {
    const { names, asked, later } = make({ 'a.example': ['198.41.0.4', '198.41.0.5'] });
    assert.equal(names.networkOf('http://a.example'), undefined);
    await names.learn('http://a.example');
    await names.learn('http://a.example:81');
    const dialled = () =>
      new Promise((resolve) => {
        names.resolve('a.example', (_, addresses) => {
          resolve(addresses?.map(({ address }) => address));
        });
      });
    assert.equal(names.networkOf('http://A.example'), '198.41.0.4');
    later(59_999);
    assert.equal(names.networkOf('http://a.example'), '198.41.0.4');
    later(1);
    assert.equal(names.networkOf('http://a.example'), undefined);
    // What it was counted for, and nothing else.
    assert.deepEqual(await dialled(), ['198.41.0.4']);
    assert.equal(asked.length, 1);
    later(60_000);
    await dialled();
    assert.equal(asked.length, 2);
  });

  it('is one for all that do not resolve, and no URL', async () => {
    const { names } = make({ 'empty.example': [] });
    for (const url of ['http://nope.example', 'http://empty.example']) {
      await names.learn(url);
      assert.equal(names.networkOf(url), names.networkOf('not a URL'));
    }
  });

  it('is not all that a name may be resolved to', async () => {
    const many = Array.from({ length: 1_000 }, (_, n) => `2606:4700::${n.toString(16)}`);
    const { names } = make({ 'many.example': many });
    await names.learn('http://many.example');
    const count = await new Promise((resolve) => {
      names.resolve('many.example', (_, addresses) => {
        resolve(addresses?.length);
      });
    });
    assert.equal(count, 16);
  });

  it('is another once nothing came of the first, and stays that while the name leads there', async () => {
    const { names, later } = make({ 'both.example': ['198.41.0.4', '2606:4700::1', '2606:4700::2'] });
    const url = 'http://both.example';
    await names.learn(url);
    const first = names.networkOf(url);
    names.passOver(url, 'another that was asked before');
    assert.equal(names.networkOf(url), first);
    names.passOver(url, first);
    names.passOver(url, first);
    const second = names.networkOf(url);
    assert.notEqual(second, first);
    later(60_000);
    await names.learn(url);
    assert.equal(names.networkOf(url), second);
    const dialled = await new Promise((resolve) => {
      names.resolve('both.example', (_, addresses) => {
        resolve(addresses?.map(({ address }) => address));
      });
    });
    assert.deepEqual(dialled, ['2606:4700::1', '2606:4700::2']);
    names.passOver(url, second);
    assert.equal(names.networkOf(url), first);
  });

  it('is not asked again at the dial where it did not resolve: it would lead where nobody counted', async () => {
    const addresses: Record<string, readonly string[]> = {};
    const { names, asked, later } = make(addresses);
    await names.learn('http://late.example');
    addresses['late.example'] = ['198.41.0.4'];
    const error = await new Promise((resolve) => {
      names.resolve('late.example', resolve);
    });
    assert.ok(error instanceof Error);
    assert.equal(asked.length, 1);
    later(10_000);
    await names.learn('http://late.example');
    assert.equal(names.networkOf('http://late.example'), '198.41.0.4');
  });

  it('is asked for once by however many ask at a time', async () => {
    let [count, answer] = [0, (): void => undefined];
    const names = new ResolvedNames((_, callback) => {
      count += 1;
      answer = () => {
        callback(null, [{ address: '198.41.0.4', family: 4 }]);
      };
    });
    const all = Array.from({ length: 100 }, (_, n) => names.learn(`http://a.example:${n + 1}`));
    const dialled = new Promise((resolve) => {
      names.resolve('a.example', (_, addresses) => {
        resolve(addresses);
      });
    });
    answer();
    await Promise.all([...all, dialled]);
    assert.equal(count, 1);
  });
});
