use codec::{Decode, Encode};
use sp_core::H256;

use crate::{
    mock::{signed, worker},
    MessageOrigin,
};

#[test]
fn every_origin_has_the_index_of_the_interface() {
    let origins = [
        (MessageOrigin::Pallet(vec![]), 0),
        (MessageOrigin::Contract(H256::zero()), 1),
        (worker(0), 2),
        (MessageOrigin::AccountId(H256::zero()), 3),
        (MessageOrigin::MultiLocation(vec![]), 4),
        (MessageOrigin::Gatekeeper, 5),
        (MessageOrigin::Cluster(H256::zero()), 6),
        (MessageOrigin::Reserved, 255),
    ];
    for (origin, index) in origins {
        assert_eq!(origin.encode()[0], index);
        assert_eq!(MessageOrigin::decode(&mut &origin.encode()[..]), Ok(origin));
    }
}

#[test]
fn workers_contracts_clusters_and_gatekeepers_are_off_chain() {
    assert!(worker(1).is_off_chain());
    assert!(MessageOrigin::Contract(H256::zero()).is_off_chain());
    assert!(MessageOrigin::Cluster(H256::zero()).is_off_chain());
    assert!(MessageOrigin::Gatekeeper.is_off_chain());
    assert!(!MessageOrigin::Pallet(vec![]).is_off_chain());
    assert!(!MessageOrigin::AccountId(H256::zero()).is_off_chain());
    assert!(!MessageOrigin::MultiLocation(vec![]).is_off_chain());
    assert!(!MessageOrigin::Reserved.is_off_chain());
}

#[test]
fn the_signed_content_is_message_and_sequence_unwrapped() {
    let message = signed(worker(9), b"ab", 3);
    let mut expected = vec![2];
    expected.extend([9; 32]);
    expected.extend([2 << 2, b'a', b'b']);
    expected.extend([1 << 2, 7]);
    expected.extend(3u64.to_le_bytes());
    assert_eq!(message.signed_content(), expected);
}
