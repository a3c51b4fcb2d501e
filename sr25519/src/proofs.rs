//! Nodes of the state trie out of the text of an answer: decoded and hashed all at once, since a call for each of 100 000
//! costs as much as its hash.

use crate::{answer, hash::hash};
use alloc::vec::Vec;

const NOT_HEX: u8 = 255;
const VALUES: [u8; 256] = values();

const HASH: usize = 32;
const NUMBER: usize = 4;
/// Of the shortest item and the comma behind it: `"0x",`.
const SHORTEST: usize = 5;

/// The text of a JSON list of 0x-hex, of this length → how many items there are (u32) and their bytes (u32), the BLAKE2b-256
/// of each (32), where each ends among the bytes (u32), and the bytes. No to any other text, to one with white space too.
#[no_mangle]
pub extern "C" fn proof_nodes(length: usize) -> u32 {
    answer(|mut request| nodes(request.take(length)?))
}

fn nodes(list: &[u8]) -> Option<Vec<u8>> {
    let mut rest = list.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let count = rest.iter().filter(|byte| **byte == b'"').count() / 2;
    // Room is made for what can be there, not for what quotes claim.
    if count > (rest.len() + 1) / SHORTEST {
        return None;
    }
    let (hashes, all) = (2 * NUMBER, (HASH + NUMBER).checked_mul(count)?);
    let head = all.checked_add(hashes)?;
    let ends = head - NUMBER * count;
    // All that is needed at once: what is given up is not used again.
    let mut found = Vec::new();
    found.try_reserve_exact(head.checked_add(rest.len() / 2)?).ok()?;
    found.resize(head, 0);
    for item in 0..count {
        if item > 0 {
            rest = rest.strip_prefix(b",")?;
        }
        rest = rest.strip_prefix(b"\"0x")?;
        let (digits, behind) = rest.split_at(rest.iter().position(|byte| *byte == b'"')?);
        rest = &behind[1..];
        let start = found.len();
        decode(digits, &mut found)?;
        let hashed = hash(&found[start..]);
        let end = number(found.len() - head)?;
        found[hashes + HASH * item..][..HASH].copy_from_slice(&hashed);
        found[ends + NUMBER * item..][..NUMBER].copy_from_slice(&end);
    }
    let total = number(found.len() - head)?;
    found[..NUMBER].copy_from_slice(&number(count)?);
    found[NUMBER..2 * NUMBER].copy_from_slice(&total);
    rest.is_empty().then_some(found)
}

fn decode(digits: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let pairs = digits.chunks_exact(2);
    let mut seen = if pairs.remainder().is_empty() { 0 } else { NOT_HEX };
    bytes.extend(pairs.map(|pair| {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        seen |= high | low;
        high << 4 | low & 15
    }));
    (seen < 16).then_some(())
}

fn number(value: usize) -> Option<[u8; NUMBER]> {
    Some(u32::try_from(value).ok()?.to_le_bytes())
}

const fn values() -> [u8; 256] {
    let mut values = [NOT_HEX; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
}
