import assert from 'node:assert/strict';
import type { Runtime } from '../../src/chain/runtime/runtime.ts';
import { messageCallsOf } from '../../src/chain/submit/message-calls.ts';

/** As much of a runtime as is asked for, with these pallets. */
const runtimeWith = (...pallets: readonly string[]): Runtime =>
  ({
    callShape: () => 'something of another layout',
    callIndex: (section: string) => (section === 'utility' ? Uint8Array.of(3, 2) : Uint8Array.of(85, 0)),
    constant: () => undefined,
    palletIndex: (name: string) => (pallets.includes(name) ? 7 : undefined),
  }) as unknown as Runtime;

describe('how a runtime has signed messages posted', () => {
  it('is not known by a call of another layout', () => {
    assert.deepEqual(messageCallsOf(runtimeWith()), {
      one: undefined,
      all: '0x0302',
      mostCalls: Infinity,
      mayPause: false,
    });
  });

  it('may change for a while where a pallet can have calls refused', () => {
    for (const pallet of ['TxPause', 'SafeMode', 'TransactionPause', 'MaintenanceMode'])
      assert.equal(messageCallsOf(runtimeWith(pallet)).mayPause, true);
  });
});
