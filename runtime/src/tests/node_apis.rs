use sp_api::runtime_decl_for_metadata::MetadataV2;
use sp_consensus_aura::runtime_decl_for_aura_api::AuraApi;

use crate::{Block, Runtime, VERSION};

#[test]
fn a_slot_has_6_s_and_nobody_authors() {
    let slot =
        <Runtime as AuraApi<Block, sp_consensus_aura::sr25519::AuthorityId>>::slot_duration();
    assert_eq!(slot.as_millis(), 6_000);
    let authorities =
        <Runtime as AuraApi<Block, sp_consensus_aura::sr25519::AuthorityId>>::authorities();
    assert!(authorities.is_empty());
}

#[test]
fn metadata_is_offered_in_versions_14_to_16() {
    let mut versions = <Runtime as MetadataV2<Block>>::metadata_versions();
    versions.retain(|version| *version < u32::MAX);
    assert_eq!(versions, vec![14, 15, 16]);
    for version in versions {
        assert!(<Runtime as MetadataV2<Block>>::metadata_at_version(version).is_some());
    }
}

#[test]
fn the_other_layout_has_the_next_version() {
    let expected = if cfg!(feature = "legacy-worker-info") { 101 } else { 100 };
    assert_eq!(VERSION.spec_version, expected);
    assert_eq!(VERSION.system_version, 1);
}
