import type { Command } from 'commander';
import type { Chain, Head } from '../../chain/index.ts';
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
  const answering: string[] = [];
  let expected: string | undefined;
  const urls = [...new Set(settings.ws)];
  for (const url of urls) {
    if (urls.length > 1) output.say(`${url}:`);
    try {
      await using chain = await openChain({ ...settings, ws: [url], quorum: 1 }, signal);
      for (const finding of await examine(chain, signal)) print(url, finding);
      expected ??= settings.genesis?.toLowerCase() ?? chain.genesisHash;
      if (chain.genesisHash !== expected) print(url, foreign(url, chain.genesisHash, expected));
      else answering.push(url);
    } catch (error) {
      if (!isRelayError(error) || urls.length === 1 || error.code === 'aborted') throw error;
      failure = error;
      print(url, bad(`${error.message} ${error.remedy}`));
    }
  }
  if (answering.length === 0) throw failure;
  if (urls.length === 1) return;
  output.say('All of them:');
  await using chain = await openChain(settings, signal);
  const agreed = await agreement(chain, signal);
  print(undefined, agreed.finding);
  for (const url of answering) {
    const lie = agreed.head && (await contradiction(settings, url, agreed.head, signal));
    const error = lie ?? chain.nodeFaults.find((fault) => fault.url === url)?.error;
    if (error !== undefined) print(url, saying(error));
  }
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

function saying({ message, remedy }: RelayError): Finding {
  return bad(`${message} ${remedy}`);
}

/** Said of each that is not of the chain of the first one that answers. */
function foreign(url: string, actual: string, expected: string): Finding {
  return saying(new RelayError('wrong-chain', { details: { url, actual, expected } }));
}

/** What enough of them agree on. */
async function agreement(chain: Chain, signal: AbortSignal): Promise<{ head?: Head; finding: Finding }> {
  try {
    const head = await chain.agreedHead(signal);
    const what = `The endpoints agree on finalized block ${head.number}`;
    return { head, finding: good(`${what}: WorkerState with verify: true trusts what they agree on.`) };
  } catch (error) {
    if (!isRelayError(error, 'no-quorum') && !isRelayError(error, 'endpoints-disagree')) throw error;
    return { finding: saying(error) };
  }
}

/** That an endpoint has finalized another block than the others agree on; undefined where it has not, or does not say. */
async function contradiction(
  settings: Context<object>['settings'],
  url: string,
  { number, hash }: Head,
  signal: AbortSignal,
): Promise<RelayError | undefined> {
  try {
    await using alone = await openChain({ ...settings, ws: [url], quorum: 1 }, signal);
    const isThere = (await alone.finalizedHead(signal)).number >= number;
    const own = isThere ? await alone.headAt(number, signal) : undefined;
    if (own === undefined || own.hash === hash) return undefined;
    const reason = `it has finalized ${own.hash} where others agree on ${hash}`;
    return new RelayError('node-lies', { details: { url, block: number, reason } });
  } catch (error) {
    if (!isRelayError(error) || error.code === 'aborted') throw error;
    return undefined;
  }
}
