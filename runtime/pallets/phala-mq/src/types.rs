//! What travels through the queue, in the chain's own encoding.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_core::{sr25519, H256};

/// Who sent a message, as the chain vouches for it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum MessageOrigin {
    #[codec(index = 0)]
    Pallet(Vec<u8>),
    #[codec(index = 1)]
    Contract(H256),
    #[codec(index = 2)]
    Worker(sr25519::Public),
    #[codec(index = 3)]
    AccountId(H256),
    #[codec(index = 4)]
    MultiLocation(Vec<u8>),
    #[codec(index = 5)]
    Gatekeeper,
    #[codec(index = 6)]
    Cluster(H256),
    #[codec(index = 255)]
    Reserved,
}

impl MessageOrigin {
    /// Whether this sender lives outside the chain and proves itself by a signature.
    pub fn is_off_chain(&self) -> bool {
        matches!(self, Self::Worker(_) | Self::Contract(_) | Self::Cluster(_) | Self::Gatekeeper)
    }
}

/// Where a message goes: a path of bytes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Topic(pub Vec<u8>);

/// First bytes that no topic may have.
const RESERVED_FIRST_BYTES: &[u8] = b"~!@#$%&*_+-=|<>?,./;:'";
/// First byte of the topics that are for pallets only.
const ON_CHAIN_FIRST_BYTE: u8 = b'^';

impl Topic {
    /// Neither empty nor reserved. Topics for pallets only are well formed.
    pub fn is_well_formed(&self) -> bool {
        self.0.first().is_some_and(|first| !RESERVED_FIRST_BYTES.contains(first))
    }

    /// Whether messages to this topic leave the chain.
    pub fn is_outbound(&self) -> bool {
        self.is_well_formed() && self.0.first() != Some(&ON_CHAIN_FIRST_BYTE)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Message {
    pub sender: MessageOrigin,
    pub destination: Topic,
    pub payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedMessage {
    pub message: Message,
    pub sequence: u64,
    pub signature: Vec<u8>,
}

impl SignedMessage {
    /// The bytes under the signature: message and sequence, without a wrapper around them.
    pub fn signed_content(&self) -> Vec<u8> {
        (&self.message, self.sequence).encode()
    }
}
