use sp_genesis_builder::{runtime_decl_for_genesis_builder::GenesisBuilder, DEV_RUNTIME_PRESET};
use sp_keyring::Sr25519Keyring::{Alice, AliceStash, Bob, Charlie, Dave, Eve, Ferdie, FerdieStash};

use super::chain::on_chain;
use crate::{limits::PHA, Balances, Runtime, System};

#[test]
fn the_only_preset_is_development() {
    assert_eq!(DEV_RUNTIME_PRESET, "development");
    assert_eq!(Runtime::preset_names(), vec![DEV_RUNTIME_PRESET]);
    assert!(Runtime::get_preset(&Some("local_testnet".into())).is_none());
}

#[test]
fn the_well_known_accounts_and_their_stashes_are_endowed() {
    on_chain(|| {
        for account in [Alice, Bob, Charlie, Dave, Eve, Ferdie, AliceStash, FerdieStash] {
            assert_eq!(Balances::free_balance(account.to_account_id()), 1_000_000 * PHA);
        }
        assert_eq!(frame_system::Account::<Runtime>::iter().count(), 12);
        assert_eq!(Balances::total_issuance(), 12_000_000 * PHA);
    });
}

#[test]
fn alice_is_sudo() {
    on_chain(|| {
        let key = pallet_sudo::Key::<Runtime>::get();
        assert_eq!(key, Some(Alice.to_account_id()));
    });
}

#[test]
fn a_chain_starts_with_the_first_block() {
    on_chain(|| assert_eq!(System::block_number(), 1));
}
