//! Estimates, not benchmarks: enough for block limits and fees to bite where they would on a live chain.

use frame_support::weights::Weight;
use pallet_phala_mq::weights::{BYTE_PS, SIGNATURE_PS};
use sp_core::Get;

use crate::pallet::Config;

/// Time of a call apart from storage and signatures, in ps.
const CALL_PS: u64 = 30_000_000;

fn bytes_ps(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(BYTE_PS)
}

pub fn register_worker<T: Config>(bytes: usize) -> Weight {
    Weight::from_parts(CALL_PS.saturating_add(bytes_ps(bytes)), 0)
        .saturating_add(T::DbWeight::get().reads_writes(2, 2))
}

pub fn change_gatekeepers<T: Config>() -> Weight {
    Weight::from_parts(CALL_PS, 0).saturating_add(T::DbWeight::get().reads_writes(2, 1))
}

pub fn update_worker_endpoint<T: Config>(bytes: usize) -> Weight {
    Weight::from_parts((CALL_PS + SIGNATURE_PS).saturating_add(bytes_ps(bytes)), 0)
        .saturating_add(T::DbWeight::get().reads_writes(2, 1))
}
