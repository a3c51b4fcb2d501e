//! The genesis preset `development`.

use alloc::{string::ToString, vec, vec::Vec};

use frame_support::build_struct_json_patch;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET};
use sp_keyring::Sr25519Keyring;

use crate::{limits::PHA, BalancesConfig, RuntimeGenesisConfig, SudoConfig};

/// What each well-known account starts with.
const ENDOWMENT: u128 = 1_000_000 * PHA;

/// The well-known accounts and their stashes are endowed, Alice is sudo.
fn development() -> serde_json::Value {
    let balances = Sr25519Keyring::well_known()
        .map(|account| (account.to_account_id(), ENDOWMENT))
        .collect::<Vec<_>>();
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig { balances },
        sudo: SudoConfig { key: Some(Sr25519Keyring::Alice.to_account_id()) },
    })
}

pub fn preset(id: &PresetId) -> Option<Vec<u8>> {
    (id.as_str() == DEV_RUNTIME_PRESET).then(|| development().to_string().into_bytes())
}

pub fn preset_names() -> Vec<PresetId> {
    vec![PresetId::from(DEV_RUNTIME_PRESET)]
}
