export { LinkedAbort } from './linked-abort.ts';
export { onAbort } from './on-abort.ts';
