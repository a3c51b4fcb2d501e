//! The entry of a worker, in the two layouts that chains have had.

use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

use crate::types::{AttestationProvider, EcdhPublicKey, WorkerPublicKey};

/// The layout of today.
pub mod current {
    use super::*;

    /// `last_updated` is in seconds since 1970.
    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
    pub struct WorkerInfo<AccountId> {
        pub pubkey: WorkerPublicKey,
        pub ecdh_pubkey: EcdhPublicKey,
        pub runtime_version: u32,
        pub last_updated: u64,
        pub operator: Option<AccountId>,
        pub attestation_provider: Option<AttestationProvider>,
        pub confidence_level: u8,
        pub initial_score: Option<u32>,
        pub features: Vec<u32>,
    }
}

/// The layout of older chains: it does not say who vouches for the worker.
pub mod legacy {
    use super::*;

    /// `last_updated` is in seconds since 1970.
    #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, TypeInfo)]
    pub struct WorkerInfo<AccountId> {
        pub pubkey: WorkerPublicKey,
        pub ecdh_pubkey: EcdhPublicKey,
        pub runtime_version: u32,
        pub last_updated: u64,
        pub operator: Option<AccountId>,
        pub confidence_level: u8,
        pub initial_score: Option<u32>,
        pub features: Vec<u32>,
    }
}

#[cfg(not(feature = "legacy-worker-info"))]
pub use current::WorkerInfo;
#[cfg(feature = "legacy-worker-info")]
pub use legacy::WorkerInfo;

impl<AccountId> From<legacy::WorkerInfo<AccountId>> for current::WorkerInfo<AccountId> {
    fn from(old: legacy::WorkerInfo<AccountId>) -> Self {
        Self {
            pubkey: old.pubkey,
            ecdh_pubkey: old.ecdh_pubkey,
            runtime_version: old.runtime_version,
            last_updated: old.last_updated,
            operator: old.operator,
            attestation_provider: None,
            confidence_level: old.confidence_level,
            initial_score: old.initial_score,
            features: old.features,
        }
    }
}

impl<AccountId> From<current::WorkerInfo<AccountId>> for legacy::WorkerInfo<AccountId> {
    fn from(new: current::WorkerInfo<AccountId>) -> Self {
        Self {
            pubkey: new.pubkey,
            ecdh_pubkey: new.ecdh_pubkey,
            runtime_version: new.runtime_version,
            last_updated: new.last_updated,
            operator: new.operator,
            confidence_level: new.confidence_level,
            initial_score: new.initial_score,
            features: new.features,
        }
    }
}
