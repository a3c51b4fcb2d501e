mod encoding;
mod force_register;
mod gatekeepers;
mod messages;
mod migration;
mod register;
mod update_endpoint;

use crate::{mock::*, Event, WorkerPublicKey};

fn events() -> Vec<Event<Test>> {
    let of_registry = |record: frame_system::EventRecord<RuntimeEvent, _>| match record.event {
        RuntimeEvent::PhalaRegistry(event) => Some(event),
        _ => None,
    };
    System::events().into_iter().filter_map(of_registry).collect()
}

fn force_register(pubkey: WorkerPublicKey) {
    let ecdh = public("ecdh");
    PhalaRegistry::force_register_worker(RuntimeOrigin::root(), pubkey, ecdh, None).unwrap();
}

#[cfg(not(feature = "legacy-worker-info"))]
fn added(pubkey: WorkerPublicKey, provider: Option<crate::AttestationProvider>) -> Event<Test> {
    Event::WorkerAdded { pubkey, attestation_provider: provider, confidence_level: 128 }
}

#[cfg(feature = "legacy-worker-info")]
fn added(pubkey: WorkerPublicKey, _provider: Option<crate::AttestationProvider>) -> Event<Test> {
    Event::WorkerAdded { pubkey, confidence_level: 128 }
}

#[cfg(not(feature = "legacy-worker-info"))]
fn updated(pubkey: WorkerPublicKey) -> Event<Test> {
    Event::WorkerUpdated { pubkey, attestation_provider: None, confidence_level: 128 }
}

#[cfg(feature = "legacy-worker-info")]
fn updated(pubkey: WorkerPublicKey) -> Event<Test> {
    Event::WorkerUpdated { pubkey, confidence_level: 128 }
}
