import type { Command } from 'commander';
import { startDevChain, type DevChain, type DevChainLogger, type DevChainOptions } from '../../dev-chain/index.ts';
import { asRelayError, RelayError } from '../../errors/index.ts';
import { action, command, type Context } from '../command.ts';
import type { Output } from '../output.ts';
import { warn } from '../warn.ts';

interface DevFlags {
  readonly port: string;
  readonly host: string;
  readonly chainSpec?: string;
  readonly workers?: string;
  readonly blockTime?: string;
  readonly finalityLag?: string;
  readonly data?: string;
}

/** `khala-relay dev`: the embedded dev chain, until SIGINT or SIGTERM. */
export function devCommand(description: string): Command {
  return command('dev', description, [])
    .option('--port <port>', 'port to listen on; 0 takes any free one', '9944')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--chain-spec <file>', 'raw chain spec to run instead of the one that comes with khala-relay')
    .option('--workers <n>', 'registered workers with endpoints in the genesis state (default: 0)')
    .option('--block-time <ms>', 'a block every so many milliseconds (default: one for each extrinsic, at once)')
    .option('--finality-lag <n>', 'blocks that the finalized head is behind the best one (default: 0)')
    .option('--data <dir>', 'folder that keeps the chain over restarts (default: in memory only)')
    .action(action(0, dev));
}

/** Tells what nobody waits for, a block that its time or an extrinsic should have brought, and when that is over. */
function stderrLogger(): DevChainLogger {
  let hasFailed = false;
  return {
    info: (_, message) => {
      if (hasFailed) warn(message);
    },
    error: (details, message) => {
      hasFailed = true;
      const error = asRelayError('error' in details ? details.error : undefined, 'internal');
      warn(`${message}: ${error.message} ${error.remedy}`, error);
    },
  };
}

async function dev({ flags, output, signal, interrupted }: Context<DevFlags>): Promise<void> {
  try {
    await using chain = await startDevChain({ ...chainOptions(flags), signal, logger: stderrLogger() });
    printReady(chain, output, flags.data);
    await interrupted;
  } catch (error) {
    // Interrupted while it started: that is no failure.
    if (!signal.aborted) throw error;
  }
}

/** Throws dev-option-invalid. */
function chainOptions(flags: DevFlags): DevChainOptions {
  const { chainSpec, host, data } = flags;
  const options = {
    host,
    chainSpec,
    data,
    port: wholeNumber('--port', flags.port),
    workers: wholeNumber('--workers', flags.workers),
    blockTimeMs: wholeNumber('--block-time', flags.blockTime),
    finalityLag: wholeNumber('--finality-lag', flags.finalityLag),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const value = text === '' ? 'empty' : text;
  throw new RelayError('dev-option-invalid', { details: { option, value, expected: 'a whole number' } });
}

function printReady({ ws, genesisHash, workers }: DevChain, output: Output, data: string | undefined): void {
  const registered = workers.length === 0 ? '' : `, ${workers.length} workers registered`;
  output.print(
    { event: 'ready', ws, genesisHash },
    `Dev chain ready: ${ws} (genesis ${genesisHash}${registered})\n` +
      `To look at it in polkadot.js Apps: https://polkadot.js.org/apps/?rpc=${encodeURIComponent(ws)}\n` +
      (data === undefined
        ? 'Ctrl-C stops it, and with it the chain is gone.'
        : `Ctrl-C stops it; with --data ${data} it goes on where it stood.`),
  );
}
