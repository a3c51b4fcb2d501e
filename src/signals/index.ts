export { checkTimer } from './check-timer.ts';
export { letGo } from './let-go.ts';
export { LinkedAbort } from './linked-abort.ts';
export { maxTimerMs } from './max-timer.ts';
export { onAbort } from './on-abort.ts';
export { pause } from './pause.ts';
export { tell } from './tell.ts';
