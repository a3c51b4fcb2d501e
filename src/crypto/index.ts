export * from './core.ts';
export { ready } from './ready.ts';
