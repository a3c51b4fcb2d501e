import { RelayError } from '../errors/index.ts';
import type { Retried } from '../inbox/index.ts';
import type { Output } from './output.ts';

/** The number of a dead letter, as it is printed. Throws bad-setting. */
export function letterNumber(text: string): bigint {
  if (/^[0-9]{1,19}$/.test(text)) return BigInt(text);
  throw new RelayError('bad-setting', { details: { name: 'number', reason: `"${text}" is no number of a message` } });
}

/** Throws no-such-letter where one that was named was not there. */
export function tellDiscarded(output: Output, named: readonly bigint[], discarded: readonly bigint[]): void {
  output.print({ event: 'discarded', count: discarded.length }, `${discarded.length} message(s) removed.`);
  checkAllThere(named, discarded);
}

/** Throws no-such-letter where one that was named was not there. */
export function tellRetried(output: Output, named: readonly bigint[], tried: readonly Retried[]): void {
  for (const { sequence, messageId, outcome, code } of tried)
    output.print(
      { event: 'retried', number: sequence, messageId, outcome, ...(code === undefined ? {} : { code }) },
      `${sequence}  ${outcome}${code === undefined ? '' : ` [${code}]`}`,
    );
  checkAllThere(
    named,
    tried.map(({ sequence }) => sequence),
  );
}

/** Throws no-such-letter. */
export function checkAllThere(named: readonly bigint[], found: readonly bigint[]): void {
  const missing = named.filter((number) => !found.includes(number));
  if (missing.length > 0) throw new RelayError('no-such-letter', { details: { numbers: missing.join(', ') } });
}
