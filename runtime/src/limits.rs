//! Money, time and how much fits into a block.

use frame_support::{
    dispatch::DispatchClass,
    parameter_types,
    weights::{constants::WEIGHT_REF_TIME_PER_SECOND, Weight},
};
use frame_system::limits::{BlockLength, BlockWeights};
use sp_runtime::Perbill;

use crate::Balance;

/// 1 PHA: 12 decimals.
pub const PHA: Balance = 1_000_000_000_000;
pub const EXISTENTIAL_DEPOSIT: Balance = PHA / 100;
/// Fee of each byte of an extrinsic.
pub const BYTE_FEE: Balance = PHA / 100_000;

/// Time from block to block, in ms, as `AuraApi` tells it.
pub const SLOT_DURATION_MS: u64 = 6_000;
/// Least time between two blocks, in ms: a node that seals on demand makes blocks as fast as it can.
pub const MINIMUM_PERIOD_MS: u64 = 1;

/// Bytes of a block.
const BLOCK_BYTES: u32 = 5 * 1024 * 1024;
/// What ordinary extrinsics may take of a block.
const NORMAL_RATIO: Perbill = Perbill::from_percent(75);
/// What a block is expected to spend on its hooks.
const ON_INITIALIZE_RATIO: Perbill = Perbill::from_percent(5);
/// Time of a block: 2 s. No limit on proofs: nobody makes one here.
const BLOCK_WEIGHT: Weight = Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX);

parameter_types! {
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(BLOCK_BYTES)
        .modify_max_length_for_class(DispatchClass::Normal, |max| *max = NORMAL_RATIO * BLOCK_BYTES)
        .build();
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::builder()
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(NORMAL_RATIO * BLOCK_WEIGHT);
        })
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(BLOCK_WEIGHT);
            weights.reserved = Some(BLOCK_WEIGHT - NORMAL_RATIO * BLOCK_WEIGHT);
        })
        .avg_block_initialization(ON_INITIALIZE_RATIO)
        .build_or_panic();
}
