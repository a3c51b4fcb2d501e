import { ecdhRecordContent, encodeEcdhRecord, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, ready, signWith } from '../../src/crypto/index.ts';
import type { DevChain, DevWorker } from '../../src/dev-chain/index.ts';
import { endpointList, endpointsKey } from '../../test/support/genesis-spec.ts';

export interface Scenario {
  /** Whether the second endpoint of each worker is an ECDH record of epoch 1. */
  readonly hasRecords: boolean;
  /** Blocks without a change after the first. */
  readonly quiet: number;
  /** Blocks after those in each of which this many workers have other endpoints. */
  readonly busy: readonly number[];
}

/** Gives all workers two endpoints, then makes the blocks that clients are to follow. */
export async function prepareBlocks(dev: DevChain, { hasRecords, quiet, busy }: Scenario): Promise<void> {
  await ready();
  const second = (worker: DevWorker): string =>
    hasRecords ? recordOf(dev.genesisHash, worker) : `wss://relay.example.net:8710/worker/${worker.index}`;
  await dev.setStorage(
    Array.from(dev.workers, (worker) => [
      endpointsKey(worker.identity),
      endpointList([...worker.endpoints, second(worker)]),
    ]),
  );
  for (let block = 0; block < quiet; block++) await dev.newBlock();
  let next = 0;
  for (const count of busy) {
    const changed = Array.from({ length: count }, () => dev.workers.publicAt(next++ % dev.workers.length)!);
    await dev.setStorage(
      changed.map(({ identity, endpoints }) => [
        endpointsKey(identity),
        endpointList([...endpoints, `wss://new.example.net/${next}`]),
      ]),
    );
  }
}

function recordOf(genesisHash: Hex, { identity, identitySeed, ecdhSeed }: DevWorker): string {
  const ecdhPublic = keyPairFromSeed(ecdhSeed.map((byte) => byte ^ 1)).publicKey;
  const content = ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch: 1 });
  return encodeEcdhRecord({ ecdhPublic, epoch: 1, signature: signWith(keyPairFromSeed(identitySeed), content) });
}
