// One of the two layouts is that of the runtime: for it `into` changes nothing.
#![allow(clippy::useless_conversion)]

use codec::Encode;
use frame_support::{
    storage::unhashed,
    traits::{GetStorageVersion, Hooks, StorageVersion},
};
use sp_runtime::AccountId32;

use crate::{
    current, legacy,
    migration::{CURRENT, IN_CODE, LEGACY},
    mock::*,
    AttestationProvider, Workers,
};

type Current = current::WorkerInfo<AccountId32>;
type Legacy = legacy::WorkerInfo<AccountId32>;

fn current_info(name: &str) -> Current {
    Current {
        pubkey: public(name),
        ecdh_pubkey: public("ecdh"),
        runtime_version: 1,
        last_updated: 2,
        operator: Some(ALICE),
        attestation_provider: Some(AttestationProvider::Ias),
        confidence_level: 4,
        initial_score: Some(5),
        features: vec![6],
    }
}

/// Runs the upgrade on a chain of the given version and layout.
fn upgrade(version: StorageVersion, encode: impl Fn(Current) -> Vec<u8>, test: impl FnOnce()) {
    chain().execute_with(|| {
        version.put::<PhalaRegistry>();
        for name in ["one", "other"] {
            let key = Workers::<Test>::hashed_key_for(public(name));
            unhashed::put_raw(&key, &encode(current_info(name)));
        }
        PhalaRegistry::on_runtime_upgrade();
        assert_eq!(PhalaRegistry::on_chain_storage_version(), IN_CODE);
        assert_eq!(Workers::<Test>::iter().count(), 2);
        test();
    });
}

#[test]
fn the_layout_of_older_chains_is_read() {
    upgrade(
        LEGACY,
        |info| Legacy::from(info).encode(),
        || {
            let expected = Current { attestation_provider: None, ..current_info("one") };
            assert_eq!(Workers::<Test>::get(public("one")), Some(expected.into()));
        },
    );
}

#[test]
fn the_layout_of_today_is_read() {
    upgrade(
        CURRENT,
        |info| info.encode(),
        || {
            assert_eq!(Workers::<Test>::get(public("other")), Some(current_info("other").into()));
        },
    );
}

#[test]
fn a_chain_starts_with_the_version_of_its_runtime() {
    chain().execute_with(|| {
        assert_eq!(PhalaRegistry::in_code_storage_version(), IN_CODE);
    });
}
