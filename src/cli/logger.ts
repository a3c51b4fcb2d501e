import { destination, pino, type Logger } from 'pino';
import type { Settings } from './settings.ts';

const stderr = 2;

/** JSON lines to stderr: stdout belongs to the output. */
export function cliLogger({ logLevel }: Settings): Logger {
  return pino({ level: logLevel }, destination({ dest: stderr, sync: true }));
}
