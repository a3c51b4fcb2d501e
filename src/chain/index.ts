export type * from './chain.ts';
