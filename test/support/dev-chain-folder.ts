import { join } from 'node:path';
import { after, before } from 'mocha';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from './entities.ts';

/** For a suite: an embedded chain, once it has begun, and paths in a folder of its own. */
export function useDevChainAndFolder(): {
  readonly dev: Pick<DevChain, 'ws'>;
  readonly path: (name: string) => string;
} {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let chain: DevChain;
  before(async () => {
    folder = await temporaryFolder();
    chain = await startDevChain();
  });
  after(async () => {
    await chain.stop();
    await folder.remove();
  });
  return {
    dev: {
      get ws() {
        return chain.ws;
      },
    },
    path: (name) => join(folder.path, name),
  };
}
