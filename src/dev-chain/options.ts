import { RelayError } from '../errors/index.ts';

/** What the dev chain reports of itself; a pino logger fits. */
export interface DevChainLogger {
  info(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface DevChainOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  /** 127.0.0.1 */
  readonly host?: string;
  /** A raw chain spec; the one that khala-relay ships. */
  readonly chainSpec?: string | URL;
  /** Registered workers with endpoints in the genesis state; 0. */
  readonly workers?: number;
  /** A block every so many milliseconds; without it a block for each extrinsic, at once. */
  readonly blockTimeMs?: number;
  /** How many blocks the finalized head is behind the best one; 0. */
  readonly finalityLag?: number;
  /** Folder that keeps the chain, made where it is missing: started again with it, it goes on where it stood. Else all is in memory. */
  readonly data?: string;
  readonly logger?: DevChainLogger;
  /** Stops the chain. */
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970; Date.now. */
  readonly now?: () => number;
}

export const maxWorkers = 1_000_000;

/** Throws dev-option-invalid. */
export function checkOptions(options: DevChainOptions): void {
  checkInteger('port', options.port, 0, 65_535);
  checkInteger('workers', options.workers, 0, maxWorkers);
  checkInteger('block time', options.blockTimeMs, 1, 2 ** 31 - 1);
  checkInteger('finality lag', options.finalityLag, 0, 2 ** 31 - 1);
  if (options.data === '')
    throw new RelayError('dev-option-invalid', {
      details: { option: 'The data folder', value: 'empty', expected: 'the path of a folder' },
    });
}

/** Throws dev-option-invalid. */
export function checkInteger(option: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new RelayError('dev-option-invalid', {
    details: { option: `The ${option}`, value, expected: `a whole number from ${least} to ${most}` },
  });
}
