/** Refusals after which it is given up. */
export const maxRefusals = 12;
/** Before the first new try after a refusal, which doubles, and the longest of these pauses, ms. */
export const refusalPauses = { minMs: 100, maxMs: 3_000 } as const;
