import type { Logger } from 'pino';
import type { RelayError } from '../errors/index.ts';
import { visible } from './visible.ts';

/** Tells what is in the way, and is tried again or left out; `error`: what is behind it. */
export type Warn = (text: string, error?: Pick<RelayError, 'code' | 'remedy'>) => void;

/** A line on stderr. */
export const warn: Warn = (text, error) => {
  process.stderr.write(`khala-relay: ${visible(text)}${error === undefined ? '' : ` [${error.code}]`}\n`);
};

/** A line of the log, for who looks after a service. */
export function warnBy(logger: Logger): Warn {
  return (text, error) => {
    logger.warn(error === undefined ? {} : { code: error.code, remedy: error.remedy }, text);
  };
}
