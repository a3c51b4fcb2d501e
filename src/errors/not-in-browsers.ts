/** Nothing: what a browser has of node-only.ts. */
export const nodeOnlyErrors = {};
