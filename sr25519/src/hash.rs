//! BLAKE2b-256, the hash of Substrate.

use crate::answer;
use blake2::{digest::consts::U32, Blake2b, Digest};

/// Data of this length → BLAKE2b-256 (32).
#[no_mangle]
pub extern "C" fn blake2b_256(length: usize) -> u32 {
    answer(|mut request| Some(hash(request.take(length)?).to_vec()))
}

pub fn hash(data: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(data).into()
}
