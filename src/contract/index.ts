export { parseAbi } from './contract-abi.ts';
export type { CallArguments, ContractAbi, DecodedCall } from './contract-abi.ts';
