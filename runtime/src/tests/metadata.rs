//! What clients see of the interface: names, indices, hashers and types.

use frame_metadata::{
    v14::{
        PalletMetadata, RuntimeMetadataV14, StorageEntryModifier, StorageEntryType, StorageHasher,
    },
    RuntimeMetadata,
};
use scale_info::{form::PortableForm, Type, TypeDef, Variant};

use crate::Runtime;

struct Interface(RuntimeMetadataV14);

impl Interface {
    fn new() -> Self {
        match Runtime::metadata().1 {
            RuntimeMetadata::V14(metadata) => Self(metadata),
            _ => panic!("metadata of version 14"),
        }
    }

    fn pallet(&self, name: &str) -> &PalletMetadata<PortableForm> {
        self.0.pallets.iter().find(|pallet| pallet.name == name).unwrap()
    }

    fn type_of(&self, id: u32) -> &Type<PortableForm> {
        self.0.types.resolve(id).unwrap()
    }

    fn type_named(&self, name: &str) -> &Type<PortableForm> {
        let named =
            |ty: &&Type<PortableForm>| ty.path.segments.last().is_some_and(|last| last == name);
        self.0.types.types.iter().map(|ty| &ty.ty).find(named).unwrap()
    }

    fn variants(&self, id: u32) -> &[Variant<PortableForm>] {
        variants(self.type_of(id))
    }

    /// Name, whether a default stands for absence, and hasher.
    fn storage(&self, pallet: &str) -> Vec<(String, bool, Option<StorageHasher>)> {
        let entries = &self.pallet(pallet).storage.as_ref().unwrap().entries;
        let hasher = |ty: &StorageEntryType<PortableForm>| match ty {
            StorageEntryType::Plain(_) => None,
            StorageEntryType::Map { hashers, .. } => Some(hashers[0].clone()),
        };
        let describe = |entry: &frame_metadata::v14::StorageEntryMetadata<PortableForm>| {
            let default = entry.modifier == StorageEntryModifier::Default;
            (entry.name.clone(), default, hasher(&entry.ty))
        };
        entries.iter().map(describe).filter(|(name, ..)| !name.starts_with(':')).collect()
    }
}

fn variants(ty: &Type<PortableForm>) -> &[Variant<PortableForm>] {
    match &ty.type_def {
        TypeDef::Variant(def) => &def.variants,
        _ => panic!("an enum"),
    }
}

fn numbered(variants: &[Variant<PortableForm>]) -> Vec<(u8, &str)> {
    variants.iter().map(|variant| (variant.index, variant.name.as_str())).collect()
}

fn field_names(variant: &Variant<PortableForm>) -> Vec<&str> {
    variant.fields.iter().filter_map(|field| field.name.as_deref()).collect()
}

fn struct_fields(ty: &Type<PortableForm>) -> Vec<&str> {
    match &ty.type_def {
        TypeDef::Composite(def) => {
            def.fields.iter().filter_map(|field| field.name.as_deref()).collect()
        }
        _ => panic!("a struct"),
    }
}

#[test]
fn every_pallet_is_there() {
    let interface = Interface::new();
    let pallets: Vec<_> =
        interface.0.pallets.iter().map(|pallet| (pallet.index, pallet.name.as_str())).collect();
    assert_eq!(
        pallets,
        vec![
            (0, "System"),
            (1, "Timestamp"),
            (3, "Utility"),
            (4, "Multisig"),
            (5, "Proxy"),
            (40, "Balances"),
            (41, "TransactionPayment"),
            (85, "PhalaMq"),
            (86, "PhalaRegistry"),
            (99, "Sudo"),
        ]
    );
}

#[test]
fn the_queue_has_the_storage_of_the_interface() {
    let expected = vec![
        ("OffchainIngress".into(), false, Some(StorageHasher::Twox64Concat)),
        ("QueuedOutboundMessage".into(), false, None),
        ("OutboundMessages".into(), true, None),
    ];
    assert_eq!(Interface::new().storage("PhalaMq"), expected);
}

#[test]
fn the_queue_has_the_calls_and_errors_of_the_interface_and_no_events() {
    let interface = Interface::new();
    let pallet = interface.pallet("PhalaMq");
    let calls = interface.variants(pallet.calls.as_ref().unwrap().ty.id);
    assert_eq!(
        numbered(calls),
        vec![(0, "sync_offchain_message"), (1, "push_message"), (2, "force_push_pallet_message")]
    );
    assert_eq!(field_names(&calls[0]), ["signed_message"]);
    assert_eq!(field_names(&calls[1]), ["destination", "payload"]);
    assert_eq!(field_names(&calls[2]), ["destination", "payload"]);
    let errors = interface.variants(pallet.error.as_ref().unwrap().ty.id);
    assert_eq!(numbered(errors), vec![(0, "BadSender"), (1, "BadSequence"), (2, "BadDestination")]);
    assert!(pallet.event.is_none());
}

#[test]
fn the_registry_has_the_storage_of_the_interface() {
    let twox = || Some(StorageHasher::Twox64Concat);
    let expected = vec![
        ("Gatekeeper".into(), true, None),
        ("GatekeeperMasterPubkey".into(), false, None),
        ("Workers".into(), false, twox()),
        ("WorkerAddedAt".into(), false, twox()),
        ("ContractKeys".into(), false, twox()),
        ("ClusterKeys".into(), false, twox()),
        ("TopicKey".into(), false, Some(StorageHasher::Blake2_128Concat)),
        ("Endpoints".into(), false, twox()),
    ];
    assert_eq!(Interface::new().storage("PhalaRegistry"), expected);
}

#[test]
fn the_registry_has_the_calls_of_the_interface() {
    let interface = Interface::new();
    let calls = interface.pallet("PhalaRegistry").calls.as_ref().unwrap().ty.id;
    let calls: Vec<_> = interface
        .variants(calls)
        .iter()
        .map(|call| (call.index, call.name.as_str(), field_names(call)))
        .collect();
    assert_eq!(
        calls,
        vec![
            (1, "force_register_worker", vec!["pubkey", "ecdh_pubkey", "operator"]),
            (3, "register_gatekeeper", vec!["gatekeeper"]),
            (4, "unregister_gatekeeper", vec!["gatekeeper"]),
            (7, "register_worker_v2", vec!["pruntime_info", "attestation"]),
            (8, "update_worker_endpoint", vec!["endpoint_payload", "signature"]),
        ]
    );
}

#[test]
fn the_registry_has_the_events_of_the_interface() {
    let interface = Interface::new();
    let events = interface.pallet("PhalaRegistry").event.as_ref().unwrap().ty.id;
    let worker = if cfg!(feature = "legacy-worker-info") {
        vec!["pubkey", "confidence_level"]
    } else {
        vec!["pubkey", "attestation_provider", "confidence_level"]
    };
    let events: Vec<_> = interface
        .variants(events)
        .iter()
        .map(|event| (event.index, event.name.as_str(), field_names(event)))
        .collect();
    assert_eq!(
        events,
        vec![
            (0, "GatekeeperAdded", vec!["pubkey"]),
            (1, "GatekeeperRemoved", vec!["pubkey"]),
            (2, "WorkerAdded", worker.clone()),
            (3, "WorkerUpdated", worker),
        ]
    );
}

#[test]
fn the_registry_has_the_constants_of_the_interface() {
    let interface = Interface::new();
    let constants: Vec<_> = interface
        .pallet("PhalaRegistry")
        .constants
        .iter()
        .map(|constant| (constant.name.as_str(), constant.value.as_slice()))
        .collect();
    assert_eq!(
        constants,
        vec![
            ("NoneAttestationEnabled", &[1][..]),
            ("VerifyPRuntime", &[0]),
            ("VerifyRelaychainGenesisBlockHash", &[0]),
        ]
    );
}

#[test]
fn types_have_the_names_and_fields_of_the_interface() {
    let interface = Interface::new();
    let fields = |name| struct_fields(interface.type_named(name));
    assert_eq!(fields("Message"), ["sender", "destination", "payload"]);
    assert_eq!(fields("SignedMessage"), ["message", "sequence", "signature"]);
    assert_eq!(fields("WorkerEndpointPayload"), ["pubkey", "versioned_endpoints", "signing_time"]);
    let mut info = vec!["pubkey", "ecdh_pubkey", "runtime_version", "last_updated", "operator"];
    if !cfg!(feature = "legacy-worker-info") {
        info.push("attestation_provider");
    }
    info.extend(["confidence_level", "initial_score", "features"]);
    assert_eq!(fields("WorkerInfo"), info);
    assert_eq!(
        fields("WorkerRegistrationInfoV2"),
        [
            "version",
            "machine_id",
            "pubkey",
            "ecdh_pubkey",
            "genesis_block_hash",
            "features",
            "operator",
            "para_id",
            "max_consensus_version",
        ]
    );
}

#[test]
fn enums_have_the_names_and_variants_of_the_interface() {
    let interface = Interface::new();
    assert_eq!(
        numbered(variants(interface.type_named("MessageOrigin"))),
        vec![
            (0, "Pallet"),
            (1, "Contract"),
            (2, "Worker"),
            (3, "AccountId"),
            (4, "MultiLocation"),
            (5, "Gatekeeper"),
            (6, "Cluster"),
            (255, "Reserved"),
        ]
    );
    let endpoints = variants(interface.type_named("VersionedWorkerEndpoints"));
    assert_eq!(numbered(endpoints), vec![(0, "V1")]);
    let report = variants(interface.type_named("AttestationReport"));
    assert_eq!(numbered(report), vec![(0, "SgxIas"), (1, "SgxDcap")]);
    if !cfg!(feature = "legacy-worker-info") {
        let providers = variants(interface.type_named("AttestationProvider"));
        assert_eq!(numbered(providers), vec![(0, "Root"), (1, "Ias"), (2, "Dcap")]);
    }
}

#[test]
fn the_extensions_include_check_mq_sequence() {
    let interface = Interface::new();
    let names: Vec<_> = interface
        .0
        .extrinsic
        .signed_extensions
        .iter()
        .map(|extension| extension.identifier.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "CheckNonZeroSender",
            "CheckSpecVersion",
            "CheckTxVersion",
            "CheckGenesis",
            "CheckMortality",
            "CheckNonce",
            "CheckWeight",
            "CheckMqSequence",
            "ChargeTransactionPayment",
        ]
    );
}
