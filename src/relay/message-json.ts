import { Compile } from 'typebox/schema';
import type { SignedEnvelopeJson } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { messageSchema } from './schemas.ts';

/** Reads a message out of JSON that a stranger wrote. Throws bad-request, which names the first fault. */
export type ReadMessageJson = (item: unknown) => SignedEnvelopeJson;

/** Field by field and up to the first fault: a long list of faults would cost more than any message does. */
export function messageJsonReader(maxMessageBytes: number): ReadMessageJson {
  const { properties } = messageSchema(maxMessageBytes);
  const fields = Object.entries(properties).map(([name, schema]) => ({ name, schema, check: Compile(schema) }));

  const faultOf = (item: unknown): string | undefined => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return 'it is not an object';
    const given = item as Readonly<Record<string, unknown>>;
    const wrong = fields.find(({ name, check }) => !Object.hasOwn(given, name) || !check.Check(given[name]));
    if (wrong !== undefined) {
      const { maxLength, pattern } = wrong.schema as { readonly maxLength?: number; readonly pattern?: string };
      const length = maxLength === undefined ? '' : `, of ${maxLength} characters at most`;
      return `${wrong.name} must be text that matches ${pattern ?? ''}${length}`;
    }
    return Object.keys(given).length === fields.length ? undefined : 'it has a field more than a message';
  };

  return (item) => {
    const reason = faultOf(item);
    if (reason !== undefined) throw new RelayError('bad-request', { details: { reason } });
    return item as SignedEnvelopeJson;
  };
}
