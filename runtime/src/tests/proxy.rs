use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};

use super::chain::*;
use crate::{limits::PHA, Balances, ProxyType, RuntimeCall};

fn allow_bob(proxy_type: ProxyType) {
    let delegate = Bob.to_account_id().into();
    dispatch(Alice, pallet_proxy::Call::add_proxy { delegate, proxy_type, delay: 0 }).unwrap();
}

fn for_alice(call: RuntimeCall) -> RuntimeCall {
    let (real, call) = (Alice.to_account_id().into(), Box::new(call));
    pallet_proxy::Call::proxy { real, force_proxy_type: None, call }.into()
}

fn spend() -> RuntimeCall {
    let dest = Charlie.to_account_id().into();
    pallet_balances::Call::transfer_allow_death { dest, value: PHA }.into()
}

#[test]
fn a_proxy_sends_under_the_account_it_stands_for() {
    on_chain(|| {
        allow_bob(ProxyType::NonTransfer);
        dispatch(Bob, for_alice(push(b"topic"))).unwrap();
        assert_eq!(senders(), vec![from_account(Alice.to_account_id())]);
    });
}

#[test]
fn who_is_no_proxy_may_not() {
    on_chain(|| {
        dispatch(Bob, for_alice(push(b"topic"))).unwrap_err();
        assert_eq!(outbound(), vec![]);
    });
}

#[test]
fn a_proxy_spends_only_where_it_may_do_anything() {
    on_chain(|| {
        let before = Balances::free_balance(Charlie.to_account_id());
        allow_bob(ProxyType::NonTransfer);
        dispatch(Bob, for_alice(spend())).unwrap();
        assert_eq!(Balances::free_balance(Charlie.to_account_id()), before);
        allow_bob(ProxyType::Any);
        dispatch(Bob, for_alice(spend())).unwrap();
        assert_eq!(Balances::free_balance(Charlie.to_account_id()), before + PHA);
    });
}
