import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RpcBatch } from '../../../src/chain/rpc/rpc-batch.ts';

const param = fc.oneof(fc.constantFrom('0x00', '0x"', null, 7), fc.constant(['0x01', '0x02']), fc.string());
const call = fc.record({ method: fc.constantFrom('one', 'two'), params: fc.array(param, { maxLength: 3 }) });

describe('RpcBatch', () => {
  it('is sent as the list of its calls, whatever they have in common', () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 6 }), (calls) => {
        const sent: unknown = JSON.parse(new RpcBatch(7, calls, undefined).text);
        assert.deepEqual(
          sent,
          calls.map(({ method, params }, i) => ({ jsonrpc: '2.0', id: 7 + i, method, params })),
        );
      }),
    );
  });
});
