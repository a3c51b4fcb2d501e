use frame_support::weights::Weight;
use sp_keyring::Sr25519Keyring::{Alice, Bob};

use super::chain::*;
use crate::{Multisig, RuntimeCall};

#[test]
fn two_accounts_send_as_one() {
    on_chain(|| {
        let (alice, bob) = (Alice.to_account_id(), Bob.to_account_id());
        let as_multi = |other, maybe_timepoint| {
            RuntimeCall::Multisig(pallet_multisig::Call::as_multi {
                threshold: 2,
                other_signatories: vec![other],
                maybe_timepoint,
                call: Box::new(push(b"topic")),
                max_weight: Weight::from_parts(1_000_000_000, 0),
            })
        };
        let timepoint = Multisig::timepoint();
        dispatch(Alice, as_multi(bob.clone(), None)).unwrap();
        assert_eq!(outbound(), vec![]);
        next_block();
        let timepoint = pallet_multisig::Timepoint { index: 1, ..timepoint };
        dispatch(Bob, as_multi(alice.clone(), Some(timepoint))).unwrap();

        let mut signatories = vec![alice, bob];
        signatories.sort();
        let account = Multisig::multi_account_id(&signatories, 2);
        assert_eq!(senders(), vec![from_account(account)]);
    });
}
