import { GenericCall, Option, WrapperKeepOpaque } from '@polkadot/types';

/** The call and all calls in its arguments, however deep: batches, proxies, sudo, multisigs and wrappers yet unknown. */
export function* nestedCalls(call: GenericCall): Generator<GenericCall> {
  const left: unknown[] = [call];
  while (left.length > 0) {
    const value = left.pop();
    if (value instanceof GenericCall) {
      yield value;
      for (const argument of value.args) left.push(argument);
    } else if (value instanceof Option) {
      if (value.isSome) left.push(value.unwrap());
    } else if (value instanceof WrapperKeepOpaque) {
      if (value.isDecoded) left.push(value.unwrap());
    } else if (value instanceof Map) {
      left.push(...(value.values() as Iterable<unknown>));
    } else if (Array.isArray(value) && typeof value[0] === 'object') {
      // One by one: a batch may hold more calls than fit on the stack as arguments.
      for (const item of value as unknown[]) left.push(item);
    }
  }
}
