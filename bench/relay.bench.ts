import type { Comparison } from './harness.ts';
import { ingest } from './relay/ingest.ts';

export const room = 'relay';

/** The relay and its load in processes of their own. */
export function benches(): Promise<Comparison[]> {
  return Promise.resolve([{ name: 'relay/ingest', run: ingest }]);
}
