import { Command, Option } from 'commander';
import { startDevChain, type DevChain, type DevChainOptions } from '../../dev-chain/index.ts';
import { RelayError } from '../../errors/index.ts';

interface DevFlags {
  readonly port: string;
  readonly host: string;
  readonly chainSpec?: string;
  readonly workers?: string;
  readonly blockTime?: string;
  readonly finalityLag?: string;
  readonly json?: true;
}

/** Exit code of a program that was interrupted. */
const interrupted = 130;

/** `khala-relay dev`: the embedded dev chain, until SIGINT or SIGTERM. */
export function devCommand(): Command {
  return new Command('dev')
    .description('run a Khala-compatible chain of your own, for development and tests')
    .addOption(new Option('--port <port>', 'port to listen on; 0 takes any free one').default('9944'))
    .addOption(new Option('--host <host>', 'address to listen on').default('127.0.0.1'))
    .option('--chain-spec <file>', 'raw chain spec to run instead of the one that comes with khala-relay')
    .option('--workers <n>', 'registered workers with endpoints in the genesis state (default: 0)')
    .option('--block-time <ms>', 'a block every so many milliseconds (default: one for each extrinsic, at once)')
    .option('--finality-lag <n>', 'blocks that the finalized head is behind the best one (default: 0)')
    .option('--json', 'print one JSON object a line')
    .action(run);
}

async function run(_flags: DevFlags, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<DevFlags>();
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    abort.abort();
    stopped.resolve(signal);
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const chain = await startDevChain({ ...chainOptions(flags), signal: abort.signal });
    print(chain, flags.json === true);
    await stopped.promise;
    await chain.stop();
  } catch (error) {
    // Interrupted while it started: that is no failure.
    if (!abort.signal.aborted) throw error;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
  if ((await stopped.promise) === 'SIGINT') process.exitCode = interrupted;
}

/** Throws dev-option-invalid. */
function chainOptions(flags: DevFlags): DevChainOptions {
  const { chainSpec, host } = flags;
  const numbers = {
    port: wholeNumber('--port', flags.port),
    workers: wholeNumber('--workers', flags.workers),
    blockTimeMs: wholeNumber('--block-time', flags.blockTime),
    finalityLag: wholeNumber('--finality-lag', flags.finalityLag),
  };
  const given = Object.entries({ ...numbers, chainSpec, host }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as DevChainOptions;
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined || /^\d+$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new RelayError('dev-option-invalid', { details: { option, value: text, expected: 'a whole number' } });
}

function print(chain: DevChain, json: boolean): void {
  const { ws, genesisHash } = chain;
  if (json) {
    process.stdout.write(`${JSON.stringify({ event: 'ready', ws, genesisHash })}\n`);
    return;
  }
  const workers = chain.workers.length === 0 ? '' : `, ${chain.workers.length} workers`;
  process.stdout.write(
    `Dev chain ready: ${ws} (genesis ${genesisHash}${workers})\n` +
      `Look at it with polkadot.js Apps: https://polkadot.js.org/apps/?rpc=${encodeURIComponent(ws)}\n` +
      'Ctrl-C stops it; the chain is gone then.\n',
  );
}
