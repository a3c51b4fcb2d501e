import type { BlockNumber } from '../../chain/index.ts';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { bad, good, type Finding } from './findings.ts';

/** A finding, and the endpoint that it is about where it is about one. */
export interface EndpointFinding extends Finding {
  readonly url?: string;
}

/** An endpoint by itself. */
export interface Witness {
  readonly url: string;
  /** Number of its newest finalized block. Throws a RelayError where it does not say. */
  readonly finalized: () => Promise<BlockNumber>;
  /** Of a block that it has finalized. Throws a RelayError where it does not say. */
  readonly hashAt: (number: BlockNumber) => Promise<Hex>;
}

/** What all endpoints say of one block: the newest that all who answer have finalized. Each that differs or is silent is named. */
export async function compareEndpoints(witnesses: readonly Witness[], quorum: number): Promise<EndpointFinding[]> {
  const silent = new Map<string, RelayError>();
  const said = async <T>(ask: (witness: Witness) => Promise<T>, of: readonly Witness[]): Promise<[string, T][]> => {
    const answers = await Promise.allSettled(of.map(ask));
    return of.flatMap(({ url }, i): [string, T][] => {
      const answer = answers[i];
      if (answer?.status === 'fulfilled') return [[url, answer.value]];
      if (!(answer?.reason instanceof RelayError) || answer.reason.code === 'aborted') throw answer?.reason;
      silent.set(url, answer.reason);
      return [];
    });
  };
  const numbers = new Map(await said(({ finalized }) => finalized(), witnesses));
  const lowest = Math.min(...numbers.values());
  const present = witnesses.filter(({ url }) => numbers.has(url));
  const hashes = new Map(await said(({ hashAt }) => hashAt(lowest), present));
  const findings: EndpointFinding[] = [];
  const common = mostCommon(hashes);
  for (const [url, hash] of hashes)
    if (common !== undefined && hash !== common) findings.push({ url, ...contradicted(url, lowest, hash, common) });
  for (const [url, { message }] of silent)
    findings.push({ url, ...bad(`The node at ${url} does not say what it has finalized: ${message}`) });
  return [...findings, verdict(hashes, lowest, { quorum, asked: witnesses.length })];
}

function verdict(
  hashes: ReadonlyMap<string, Hex>,
  number: BlockNumber,
  { quorum, asked }: { readonly quorum: number; readonly asked: number },
): Finding {
  const about = `finalized block ${number}`;
  const list = Array.from(hashes, ([url, hash]) => `${url}: ${hash}`).join('; ');
  if (hashes.size < quorum || hashes.size === 0)
    return saying(
      new RelayError('no-quorum', {
        details: { about: 'a finalized block', size: quorum, said: list || 'none answers' },
      }),
    );
  const common = mostCommon(hashes);
  const agreeing = [...hashes.values()].filter((hash) => hash === common).length;
  if (common === undefined || agreeing < quorum)
    return saying(new RelayError('endpoints-disagree', { details: { about, said: list } }));
  const who = agreeing === asked ? `All ${asked} endpoints` : `${agreeing} of ${asked} endpoints`;
  return good(`${who} agree on ${about}: WorkerState with verify: true trusts what ${quorum} agree on.`);
}

/** undefined where two are as common. */
function mostCommon(hashes: ReadonlyMap<string, Hex>): Hex | undefined {
  const counts = new Map<Hex, number>();
  for (const hash of hashes.values()) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  const [first, second] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[1] === second?.[1] ? undefined : first?.[0];
}

function contradicted(url: string, block: BlockNumber, hash: Hex, common: Hex): Finding {
  const reason = `it has finalized ${hash} where others agree on ${common}`;
  return saying(new RelayError('node-lies', { details: { url, block, reason } }));
}

export function saying({ message, remedy }: RelayError): Finding {
  return bad(`${message} ${remedy}`);
}
