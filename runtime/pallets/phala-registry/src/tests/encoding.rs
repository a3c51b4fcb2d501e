use codec::{Decode, Encode};
use sp_runtime::{DispatchError, ModuleError};

use crate::{current, legacy, mock::*, AttestationProvider, Error};

fn legacy_info() -> legacy::WorkerInfo<u8> {
    legacy::WorkerInfo {
        pubkey: public("worker"),
        ecdh_pubkey: public("ecdh"),
        runtime_version: 1,
        last_updated: 2,
        operator: Some(3),
        confidence_level: 4,
        initial_score: Some(5),
        features: vec![6],
    }
}

#[test]
fn worker_info_has_the_fields_of_the_interface_in_its_order() {
    let info = current::WorkerInfo {
        attestation_provider: Some(AttestationProvider::Dcap),
        ..legacy_info().into()
    };
    let expected = (
        (public("worker"), public("ecdh"), 1u32, 2u64, Some(3u8)),
        (Some(2u8), 4u8, Some(5u32), vec![6u32]),
    );
    assert_eq!(info.encode(), expected.encode());
}

#[test]
fn the_layout_of_older_chains_lacks_the_provider() {
    let expected =
        ((public("worker"), public("ecdh"), 1u32, 2u64, Some(3u8)), (4u8, Some(5u32), vec![6u32]));
    assert_eq!(legacy_info().encode(), expected.encode());
}

#[test]
fn a_registration_has_the_fields_of_the_interface_in_its_order() {
    let info = registration(public("worker"));
    let expected = (
        (3u32, [9u8; 16], public("worker"), public("ecdh"), [8u8; 32]),
        (vec![2u32, 7], Some(ALICE), PARA_ID, 1u32),
    );
    assert_eq!(info.encode(), expected.encode());
}

#[test]
fn an_endpoint_payload_has_the_fields_of_the_interface_in_its_order() {
    let payload = payload(public("worker"), 5);
    let expected = (public("worker"), 0u8, vec!["https://worker.example/"], 5u64);
    assert_eq!(payload.encode(), expected.encode());
}

#[test]
fn every_error_has_the_index_of_the_interface() {
    use Error::*;
    let errors: [(Error<Test>, u8); 16] = [
        (CannotHandleUnknownMessage, 0),
        (InvalidSender, 1),
        (InvalidPubKey, 2),
        (MalformedSignature, 3),
        (InvalidSignatureLength, 4),
        (InvalidSignature, 5),
        (UnknownContract, 6),
        (InvalidReport, 8),
        (InvalidInput, 15),
        (WorkerNotFound, 17),
        (NoneAttestationDisabled, 18),
        (InvalidGatekeeper, 19),
        (MasterKeyUninitialized, 22),
        (UnknownCluster, 29),
        (InvalidEndpointSigningTime, 34),
        (ParachainIdMismatch, 36),
    ];
    for (error, code) in errors {
        let DispatchError::Module(ModuleError { index, error, .. }) = error.into() else {
            panic!("an error of a pallet")
        };
        assert_eq!((index, error), (86, [code, 0, 0, 0]));
    }
}

#[test]
fn providers_have_the_index_of_the_interface() {
    use AttestationProvider::*;
    for (provider, index) in [(Root, 0), (Ias, 1), (Dcap, 2)] {
        assert_eq!(provider.encode(), [index]);
        assert_eq!(AttestationProvider::decode(&mut &[index][..]), Ok(provider));
    }
}
