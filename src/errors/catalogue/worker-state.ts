import type { CatalogueEntry } from './entry.ts';

export const workerStateErrors = {
  'worker-state-failed': {
    message: 'WorkerState can not be followed any further: {reason}.',
    remedy: 'Watch again with watchWorkerState; if it happens again, try another endpoint.',
  },
  'worker-state-stopped': {
    message: 'The watch of WorkerState was stopped.',
    remedy: 'Watch again with watchWorkerState.',
  },
} as const satisfies Record<string, CatalogueEntry>;
