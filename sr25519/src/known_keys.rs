//! Public keys that were decoded before. Decoding one takes a square root, a fifth of a signature's share of a batch, and
//! a relay meets the same senders again and again. Nothing here is secret.

use core::cell::UnsafeCell;
use schnorrkel::PublicKey;

/// Keys that are known at most, 800 kB. One place for each key: who picks keys for the same place only slows itself down.
const PLACES: usize = 4_096;

struct KnownKeys(UnsafeCell<[Option<PublicKey>; PLACES]>);

// SAFETY: an instance of the module runs on one thread; its host makes an instance for each.
unsafe impl Sync for KnownKeys {}

const NONE: Option<PublicKey> = None;
static KNOWN: KnownKeys = KnownKeys(UnsafeCell::new([NONE; PLACES]));

/// The key that the bytes encode; none for the neutral element: for that one anybody can sign.
pub fn decode(bytes: &[u8]) -> Option<PublicKey> {
    if bytes.len() != 32 || bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let place = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]) / 16);
    // SAFETY: nothing else refers to the table while this function runs.
    let known = unsafe { &mut (*KNOWN.0.get())[place] };
    if let Some(key) = known.filter(|key| key.as_compressed().as_bytes() == bytes) {
        return Some(key);
    }
    let decoded = PublicKey::from_bytes(bytes).ok()?;
    *known = Some(decoded);
    Some(decoded)
}
