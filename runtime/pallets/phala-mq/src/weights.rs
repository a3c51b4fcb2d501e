//! Estimates, not benchmarks: enough for block limits and fees to bite where they would on a live chain.

use frame_support::weights::Weight;
use sp_core::Get;

use crate::Config;

/// Time of a call apart from storage and signatures, in ps.
const CALL_PS: u64 = 20_000_000;
/// Time to check one sr25519 signature, in ps.
pub const SIGNATURE_PS: u64 = 60_000_000;
/// Time for each byte of a message that is hashed, copied and appended, in ps.
pub const BYTE_PS: u64 = 1_000;

fn bytes_ps(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(BYTE_PS)
}

pub fn push_message<T: Config>(bytes: usize) -> Weight {
    Weight::from_parts(CALL_PS.saturating_add(bytes_ps(bytes)), 0)
        .saturating_add(T::DbWeight::get().reads_writes(1, 1))
}

pub fn sync_offchain_message<T: Config>(bytes: usize) -> Weight {
    // Sequence, the sender's key and the outbound messages are read; the sequence and the messages are written.
    Weight::from_parts((CALL_PS + SIGNATURE_PS).saturating_add(bytes_ps(bytes)), 0)
        .saturating_add(T::DbWeight::get().reads_writes(3, 2))
}

pub fn on_initialize<T: Config>(queued_bytes: usize) -> Weight {
    Weight::from_parts(CALL_PS.saturating_add(bytes_ps(queued_bytes)), 0)
        .saturating_add(T::DbWeight::get().reads_writes(1, 2))
}

pub fn check_sequence<T: Config>() -> Weight {
    Weight::from_parts(CALL_PS, 0).saturating_add(T::DbWeight::get().reads(1))
}
