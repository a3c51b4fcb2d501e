/** Height of a block; the genesis block has 0. */
export type BlockNumber = number;
