import type { RelayError } from '../../errors/index.ts';
import type { OutboundValue } from './outbound-value.ts';

/** No endpoint has the states of some of the blocks that were read together. Inside the chain room only. */
export class SomeDiscarded extends Error {
  override readonly name = 'SomeDiscarded';
  /** state-discarded, naming the first of them. */
  readonly error: RelayError;
  /** In the order of the blocks; undefined of those. */
  readonly values: readonly (OutboundValue | undefined)[];

  constructor(error: RelayError, values: readonly (OutboundValue | undefined)[]) {
    super(error.message);
    this.error = error;
    this.values = values;
  }
}
