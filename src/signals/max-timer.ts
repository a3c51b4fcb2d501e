/** Most that a timer of JavaScript waits, ms: a longer one fires at once. */
export const maxTimerMs = 2 ** 31 - 1;
