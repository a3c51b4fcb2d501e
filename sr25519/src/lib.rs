//! Cryptography of Substrate for a host that can only pass numbers and write into memory.
//!
//! The host asks for room with `reserve`, writes a request there, calls an operation, and reads the answer where the request
//! stood. Requests are read as far as they are there and never trusted: whatever does not decode is answered with "no".
//! An operation overwrites what it used, and keeps nothing but decoded public keys.
#![no_std]

extern crate alloc;

#[cfg(feature = "batch")]
mod batch;
#[cfg(feature = "hash")]
mod hash;
#[cfg(feature = "signatures")]
mod known_keys;
mod memory;
#[cfg(feature = "portable")]
mod portable;
#[cfg(feature = "proofs")]
mod proofs;
#[cfg(feature = "signatures")]
mod signatures;

use alloc::vec::Vec;

const NO: u32 = 0;
const YES: u32 = 1;

/// Takes bytes from the front of a request.
struct Request<'a>(&'a [u8]);

impl<'a> Request<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        if length > self.0.len() {
            return None;
        }
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(taken)
    }

    #[cfg(feature = "signatures")]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    #[cfg(feature = "batch")]
    fn length(&mut self) -> Option<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }
}

/// Room for a request of `length` bytes; null where there is not that much. Before every operation: it forgets its request.
#[no_mangle]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    memory::reserve(length)
}

/// Runs an operation on the request; what it gives is written over the request.
fn answer(operation: impl FnOnce(Request) -> Option<Vec<u8>>) -> u32 {
    let done = operation(Request(memory::request()));
    let result = if done.is_some() { YES } else { NO };
    memory::finish(done.as_deref().unwrap_or(&[]));
    result
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
