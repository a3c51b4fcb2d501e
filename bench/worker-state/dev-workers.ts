import { createDevWorkers } from '../../src/dev-chain/workers/create-dev-workers.ts';
import type { GenesisWorker } from '../../test/support/genesis-spec.ts';

/** The dev chain's workers, with two endpoints each. */
export async function devWorkers(count: number): Promise<GenesisWorker[]> {
  const workers = await createDevWorkers(count);
  return Array.from(workers, ({ identity, ecdh, endpoints, index }) => ({
    identity,
    ecdh,
    endpoints: [...endpoints, `wss://relay.example.net:8710/worker/${index}`],
  }));
}
