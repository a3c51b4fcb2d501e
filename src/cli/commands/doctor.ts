import type { Command } from 'commander';
import type { Chain } from '../../chain/index.ts';
import { isRelayError } from '../../errors/index.ts';
import { action, command, type Context } from '../command.ts';
import { openChain } from '../session.ts';

export function doctorCommand(): Command {
  return command('doctor', 'what this node offers, and what would not work on it', ['ws', 'genesis', 'timeout']).action(
    action(0, doctor),
  );
}

interface Finding {
  readonly ok: boolean;
  readonly finding: string;
}

async function doctor({ settings, output, signal }: Context<object>): Promise<void> {
  await using chain = await openChain(settings, signal);
  for (const { ok, finding } of await examine(chain, signal))
    output.print({ event: 'finding', ok, finding }, `${ok ? 'ok  ' : 'NOTE'}  ${finding}`);
}

async function examine(chain: Chain, signal: AbortSignal): Promise<Finding[]> {
  const { info } = chain;
  const [best, finalized] = [await chain.bestHead(signal), await chain.finalizedHead(signal)];
  const workers = await chain.at(finalized.hash).workerIds(signal);
  return [
    {
      ok: true,
      finding: `The node is on ${info.chainName} (${info.specName} ${info.specVersion}), genesis ${chain.genesisHash}.`,
    },
    {
      ok: true,
      finding: `Block ${best.number} is the best, ${finalized.number} the newest finalized; ${workers.length} worker(s) are registered.`,
    },
    {
      ok: true,
      finding: `A message of up to about ${Math.floor(info.maxExtrinsicBytes / 1024)} KiB fits into a block.`,
    },
    registration(info.noneAttestationEnabled),
    await history(chain, best.number, signal),
  ];
}

function registration(isOpen: boolean): Finding {
  const finding = isOpen
    ? 'Workers may register themselves without attestation.'
    : 'Workers need attestation to register: khala-relay register works with the sudo account only; pRuntime registers the others.';
  return { ok: isOpen, finding };
}

async function history(chain: Chain, best: number, signal: AbortSignal): Promise<Finding> {
  const first = await chain.headAt(Math.min(1, best), signal);
  try {
    await chain.at(first?.hash ?? chain.genesisHash).outboundMessages(signal);
    return { ok: true, finding: 'The state of the first block is there: any backlog of messages can be read.' };
  } catch (error) {
    if (!isRelayError(error, 'state-discarded')) throw error;
    return {
      ok: false,
      finding:
        'The node drops the state of old blocks: a listener that was away for longer than it keeps misses messages there. Give an archive node with --ws as well.',
    };
  }
}
