import assert from 'node:assert/strict';
import { HeaderLinks } from '../../../src/chain/head/header-links.ts';
import type { Hex } from '../../../src/codec/index.ts';

const hex = (byte: string): Hex => `0x${byte.repeat(32)}`;
const header = (parentHash: Hex) => ({
  number: 1,
  parentHash,
  stateRoot: hex('05'),
  extrinsicsRoot: hex('06'),
  digest: [],
});

describe('chain: links of headers', () => {
  it('give the parent of each, whatever it was taken for', () => {
    const links = new HeaderLinks(3);
    links.putHeader(0, hex('aa'), header(hex('99')));
    links.putHeader(1, hex('bb'), header(hex('aa')));
    links.putHeader(2, hex('cc'), header(hex('b0')));
    assert.equal(links.parentHash(1, hex('aa')), hex('aa'));
    assert.equal(links.parentHash(1, undefined), hex('aa'));
    // The header before is not its parent.
    assert.equal(links.parentHash(2, hex('bb')), hex('b0'));
    assert.equal(links.parentHash(0, undefined), hex('99'));
  });

  it('know nothing of what was forgotten, nor of what was never put', () => {
    const links = new HeaderLinks(3);
    for (const place of [0, 2]) links.putHeader(place, hex('aa'), header(hex('99')));
    assert.deepEqual(
      [0, 1, 2].map((place) => links.has(place)),
      [true, false, true],
    );
    links.forget(1);
    assert.deepEqual(
      [0, 1, 2].map((place) => links.has(place)),
      [false, false, true],
    );
    // Nothing is known of the block before: what it was taken for is not believed.
    links.putHeader(1, hex('bb'), header(hex('aa')));
    assert.equal(links.parentHash(1, hex('dd')), hex('aa'));
  });
});
