//! Re-encodes `Workers` when the chain comes from a runtime with the other layout.

use frame_support::{
    traits::{GetStorageVersion, StorageVersion},
    weights::Weight,
};
use sp_core::Get;

use crate::{
    pallet::{Config, Pallet, Workers},
    worker_info::{current, legacy, WorkerInfo},
};

/// Storage version of chains whose `Workers` have the layout of older chains.
pub const LEGACY: StorageVersion = StorageVersion::new(1);
/// Storage version of chains whose `Workers` say who vouches for the worker.
pub const CURRENT: StorageVersion = StorageVersion::new(2);

#[cfg(not(feature = "legacy-worker-info"))]
pub const IN_CODE: StorageVersion = CURRENT;
#[cfg(feature = "legacy-worker-info")]
pub const IN_CODE: StorageVersion = LEGACY;

/// Brings `Workers` from the layout on chain into the layout of this runtime.
pub fn migrate<T: Config>() -> Weight {
    let on_chain = Pallet::<T>::on_chain_storage_version();
    if on_chain == IN_CODE {
        return T::DbWeight::get().reads(1);
    }
    let entries = if on_chain == LEGACY {
        translate::<T, legacy::WorkerInfo<T::AccountId>>()
    } else {
        translate::<T, current::WorkerInfo<T::AccountId>>()
    };
    IN_CODE.put::<Pallet<T>>();
    T::DbWeight::get().reads_writes(entries + 1, entries + 1)
}

fn translate<T: Config, From>() -> u64
where
    From: codec::Decode + Into<WorkerInfo<T::AccountId>>,
{
    let mut entries = 0;
    Workers::<T>::translate_values(|info: From| {
        entries += 1;
        Some(info.into())
    });
    entries
}
