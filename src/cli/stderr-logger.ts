import type { ChainLogger } from '../chain/index.ts';
import { warn } from './warn.ts';

let hasWarned = false;

/** Tells a person on stderr what the chain room mends by itself: a connection that is lost, and that it is back. */
export const stderrLogger: ChainLogger = {
  debug: (fields, message) => {
    // At this level the rest is for who debugs the program.
    if (message === 'connected' && hasWarned) tell(fields, message);
  },
  warn: (fields, message) => {
    hasWarned = true;
    tell(fields, message);
  },
};

function tell(fields: object, message: string): void {
  const facts = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
  warn(`${message} (${facts.join(', ')})`);
}
