/**
 * quorum: a finalized block counts when several endpoints agree on its hash. single: the one endpoint that is used is
 * believed.
 */
export type Trust = 'quorum' | 'single';
