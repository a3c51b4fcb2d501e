import assert from 'node:assert/strict';
import fc from 'fast-check';
import { mayContain, portableIncludes } from '../../src/chain/messages/may-contain.ts';

const few = fc.uint8Array({ max: 2, maxLength: 40 });
const needle = fc.uint8Array({ max: 2, minLength: 1, maxLength: 4 });

describe('chain: looking for topics in raw bytes', () => {
  it('finds what is there and nothing else, with and without Buffer', () => {
    fc.assert(
      fc.property(few, needle, needle, (bytes, one, other) => {
        const includes = (part: Uint8Array): boolean =>
          [...bytes]
            .join()
            .concat(',')
            .includes([...part].join().concat(','));
        assert.equal(portableIncludes(bytes, one), includes(one));
        assert.equal(mayContain(bytes, [one, other]), includes(one) || includes(other));
      }),
    );
  });
});
