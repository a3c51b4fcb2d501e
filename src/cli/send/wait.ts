/** What `send --wait` waits for. */
export const waits = ['stored', 'delivered', 'read', 'reply', 'inBlock', 'finalized'] as const;
export type Wait = (typeof waits)[number];
