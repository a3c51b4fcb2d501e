import type { Comparison } from './harness.ts';
import { deliver } from './relay/deliver.ts';
import { idle } from './relay/idle.ts';
import { ingest } from './relay/ingest.ts';
import { jetstreamBench } from './relay/jetstream.ts';
import { latency } from './relay/latency.ts';

export const room = 'relay';

/** The relay and its load in processes of their own. */
export function benches(): Promise<Comparison[]> {
  return Promise.resolve([
    { name: 'relay/ingest', run: ingest },
    { name: 'relay/deliver', run: deliver },
    { name: 'relay/latency', run: latency },
    { name: 'relay/idle', run: idle },
    { name: 'relay/jetstream', run: jetstreamBench },
  ]);
}
