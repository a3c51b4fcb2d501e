import type { Comparison } from './harness.ts';
import { catchUp } from './inbox/catch-up.ts';
import { openRate } from './inbox/open-rate.ts';
import { verified } from './inbox/verified.ts';

export const room = 'inbox';

/** Nodes, the inbox and what it is compared with in processes of their own. */
export function benches(): Promise<Comparison[]> {
  return Promise.resolve([
    { name: 'inbox/catch-up', run: catchUp },
    { name: 'inbox/open-rate', run: openRate },
    { name: 'inbox/verified', run: verified },
  ]);
}
