import type { Command } from 'commander';
import type { Chain } from '../../chain/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { action, command, type Context } from '../command.ts';
import { bad, findingsOf, good, type Finding } from '../doctor/findings.ts';
import { openChain } from '../session.ts';

export function doctorCommand(): Command {
  return command('doctor', 'what a node offers, what would not work on it, and what to do', [
    'ws',
    'genesis',
    'quorum',
    'timeout',
  ]).action(action(0, doctor));
}

/** Each endpoint by itself, then all of them together. Throws chain-unreachable where none answers. */
async function doctor({ settings, output, signal }: Context<object>): Promise<void> {
  const print = (url: string | undefined, { ok, finding }: Finding): void => {
    output.print({ event: 'finding', ok, finding, ...(url === undefined ? {} : { ws: url }) }, line(ok, finding));
  };
  let failure: unknown;
  let answering = 0;
  const urls = [...new Set(settings.ws)];
  for (const url of urls) {
    if (urls.length > 1) output.say(`${url}:`);
    try {
      await using chain = await openChain({ ...settings, ws: [url], quorum: 1 }, signal);
      for (const finding of await examine(chain, signal)) print(url, finding);
      answering += 1;
    } catch (error) {
      if (!isRelayError(error) || urls.length === 1 || error.code === 'aborted') throw error;
      failure = error;
      print(url, bad(`${error.message} ${error.remedy}`));
    }
  }
  if (answering === 0) throw failure;
  if (urls.length === 1) return;
  output.say('All of them:');
  await using chain = await openChain(settings, signal);
  print(undefined, await agreement(chain, signal));
}

function line(ok: boolean, finding: string): string {
  return `${ok ? 'ok  ' : 'NOTE'}  ${finding}`;
}

async function examine(chain: Chain, signal: AbortSignal): Promise<Finding[]> {
  const capabilities = await chain.capabilities(signal);
  return [
    good(`The chain is ${chain.info.chainName}, genesis ${chain.genesisHash}.`),
    ...findingsOf(capabilities),
    registration(chain.info.noneAttestationEnabled),
    await workers(chain, signal),
  ];
}

function registration(isOpen: boolean): Finding {
  if (isOpen) return good('Workers may register themselves without attestation.');
  return bad(
    'Workers need attestation to register: khala-relay register works with the sudo account only; pRuntime registers the others.',
  );
}

async function workers(chain: Chain, signal: AbortSignal): Promise<Finding> {
  const { hash, number } = await chain.finalizedHead(signal);
  try {
    const { length } = await chain.at(hash).workerIds(signal);
    return good(`Registered at block ${number}: ${length} worker(s).`);
  } catch (error) {
    if (!(error instanceof RelayError) || error.code === 'aborted') throw error;
    return bad(`The workers can not be read. ${error.message} ${error.remedy}`);
  }
}

async function agreement(chain: Chain, signal: AbortSignal): Promise<Finding> {
  try {
    const { number } = await chain.agreedHead(signal);
    return good(
      `The endpoints agree on finalized block ${number}: WorkerState with verify: true trusts what they agree on.`,
    );
  } catch (error) {
    if (!isRelayError(error, 'no-quorum') && !isRelayError(error, 'endpoints-disagree')) throw error;
    return bad(`${error.message} ${error.remedy}`);
  }
}
