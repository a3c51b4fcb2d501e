import assert from 'node:assert/strict';
import { ApiPromise, WsProvider } from '@polkadot/api';
import type { ProviderInterface } from '@polkadot/rpc-provider/types';
import { decodeEcdhRecord, toHex, type Hex } from '../../src/codec/index.ts';
import type { WorkerEntry } from '../../src/worker-state/index.ts';
import { Population } from './population.ts';

/** What the chain holds of one worker, as the official library reads it. */
export interface TrueWorker {
  readonly ecdhKey: Hex;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
}

export interface Truth {
  readonly workers: ReadonlyMap<Hex, TrueWorker>;
}

/** WorkerState at a block by `entries()` of a client of its own: another implementation, over an undisturbed way. */
export async function readTruth(ws: string, hash: Hex): Promise<Truth> {
  const api = await ApiPromise.create({
    provider: new WsProvider(ws) as unknown as ProviderInterface,
    noInitWarn: true,
    signedExtensions: { CheckMqSequence: { extrinsic: {}, payload: {} } },
  });
  try {
    const at = await api.at(hash);
    const { query } = at;
    const [infos, lists, gatekeepers] = await Promise.all([
      query.phalaRegistry.workers.entries(),
      query.phalaRegistry.endpoints.entries(),
      query.phalaRegistry.gatekeeper(),
    ]);
    const ids = new Set(gatekeepers.map((id) => id.toHex()));
    const endpoints = new Map(
      lists.map(([key, list]) => [key.args[0].toHex(), (list.toJSON() as unknown as { v1: string[] }).v1.map(String)]),
    );
    const workers = infos.map(([key, info]): [Hex, TrueWorker] => {
      const id = key.args[0].toHex();
      const { ecdhPubkey, runtimeVersion, confidenceLevel } = info.unwrap();
      return [
        id,
        {
          ecdhKey: ecdhPubkey.toHex(),
          runtimeVersion: runtimeVersion.toNumber(),
          confidenceLevel: confidenceLevel.toNumber(),
          endpoints: endpoints.get(id) ?? [],
          gatekeeper: ids.has(id),
        },
      ];
    });
    return { workers: new Map(workers) };
  } finally {
    await api.disconnect();
  }
}

/** What was there to be compared. */
export interface Compared {
  readonly workers: number;
  /** Workers with URLs. */
  readonly lists: number;
  /** Epochs that a record proves. */
  readonly epochs: number;
}

/** Throws where the cache does not show just what the chain holds. */
export function compareWithTruth(name: string, entries: ReadonlyMap<Hex, WorkerEntry>, { workers }: Truth): Compared {
  let lists = 0;
  let provenEpochs = 0;
  assert.deepEqual([...entries.keys()].sort(), [...workers.keys()].sort(), `${name}: ids`);
  for (const [id, worker] of workers) {
    const entry = entries.get(id);
    assert.ok(entry !== undefined);
    const { runtimeVersion, confidenceLevel, gatekeeper, endpoints, epochs, current } = entry;
    const urls = worker.endpoints.filter((each) => !each.startsWith('ecdh:'));
    assert.deepEqual(
      { runtimeVersion, confidenceLevel, gatekeeper, endpoints },
      {
        runtimeVersion: worker.runtimeVersion,
        confidenceLevel: worker.confidenceLevel,
        gatekeeper: worker.gatekeeper,
        endpoints: urls,
      },
      `${name}: ${id}`,
    );
    const records = worker.endpoints.filter((each) => each.startsWith('ecdh:')).slice(-8);
    const published = records.map((each) => epochOf(each)).filter((epoch) => epoch !== undefined);
    for (const epoch of published)
      assert.ok(
        epochs.some((known) => known.epoch === epoch),
        `${name}: ${id} epoch ${epoch}`,
      );
    for (const { epoch, ecdhKey, proven } of epochs)
      assert.equal(
        toHex(ecdhKey),
        proven ? toHex(Population.keyOf(id, epoch)) : worker.ecdhKey,
        `${name}: ${id} key of epoch ${epoch}`,
      );
    assert.equal(current, epochs.at(-1), `${name}: ${id} current`);
    if (urls.length > 0) lists += 1;
    provenEpochs += published.length;
  }
  return { workers: workers.size, lists, epochs: provenEpochs };
}

function epochOf(record: string): number | undefined {
  try {
    return decodeEcdhRecord(record).epoch;
  } catch {
    return undefined;
  }
}
