import type { Command } from 'commander';
import { distinctEndpoints, quorumOf, type Chain } from '../../chain/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { action, command, type Context } from '../command.ts';
import { bad, findingsOf, good, type Finding } from '../doctor/findings.ts';
import { compareEndpoints, saying, type Witness } from '../doctor/compare-endpoints.ts';
import { openChain } from '../session.ts';

export function doctorCommand(description: string): Command {
  return command('doctor', description, ['ws', 'genesis', 'quorum', 'timeout']).action(action(0, doctor));
}

/** Each endpoint by itself, then all of them together. Throws chain-unreachable where none answers. */
async function doctor({ settings, output, signal }: Context<object>): Promise<void> {
  const print = (url: string | undefined, { ok, finding }: Finding): void => {
    output.print({ event: 'finding', ok, finding, ...(url === undefined ? {} : { ws: url }) }, line(ok, finding));
  };
  let failure: unknown;
  const answering: string[] = [];
  const foreigners = new Set<string>();
  let expected: string | undefined;
  const urls = distinctEndpoints(settings.ws);
  const quorum = quorumOf(settings.quorum, urls.length);
  for (const url of urls) {
    if (urls.length > 1) output.say(`${url}:`);
    try {
      await using chain = await openChain({ ...settings, ws: [url], quorum: 1 }, signal);
      for (const finding of await examine(chain, signal)) print(url, finding);
      expected ??= settings.genesis?.toLowerCase() ?? chain.genesisHash;
      answering.push(url);
      if (chain.genesisHash === expected) continue;
      foreigners.add(url);
      print(url, foreign(url, chain.genesisHash, expected));
    } catch (error) {
      if (!isRelayError(error) || urls.length === 1 || error.code === 'aborted') throw error;
      failure = error;
      if (error.code === 'wrong-chain') foreigners.add(url);
      print(url, bad(`${error.message} ${error.remedy}`));
    }
  }
  if (answering.length === 0) throw failure;
  if (urls.length === 1) return;
  output.say('All of them:');
  const own = urls.filter((url) => !foreigners.has(url));
  const witnesses = own.map((url) => witness(settings, url, signal));
  for (const { url, ...finding } of await compareEndpoints(witnesses, quorum)) print(url, finding);
}

/** Over a connection of its own each time. */
function witness(settings: Context<object>['settings'], url: string, signal: AbortSignal): Witness {
  const alone = async <T>(read: (chain: Chain) => Promise<T>): Promise<T> => {
    await using chain = await openChain({ ...settings, ws: [url], quorum: 1 }, signal);
    return await read(chain);
  };
  return {
    url,
    finalized: () => alone(async (chain) => (await chain.finalizedHead(signal)).number),
    hashAt: (number) =>
      alone(async (chain) => {
        const head = await chain.headAt(number, signal);
        if (head !== undefined) return head.hash;
        throw new RelayError('state-discarded', { details: { block: number, reason: 'it has no such block' } });
      }),
  };
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

/** Said of each that is not of the chain of the first one that answers. */
function foreign(url: string, actual: string, expected: string): Finding {
  return saying(new RelayError('wrong-chain', { details: { url, actual, expected } }));
}
