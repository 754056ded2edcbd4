//! Differences between a host and its declaration.

use crate::host::{Host, HostFeatures, HostSpec};
use crate::naming::Naming;
use crate::plan::entries::{FieldDifference, Remedy};
use crate::plan::request::PlanRequest;

/// Compares a host with its declaration. Images are not compared: a slug moves from one image to
/// the next. Options count only if they are declared and missing.
pub(super) fn differences(spec: &HostSpec, host: &Host) -> Vec<FieldDifference> {
    let field = |field: &str, declared: &str, actual: &str, takes| {
        (declared != actual).then(|| FieldDifference {
            field: field.to_owned(),
            declared: declared.to_owned(),
            actual: actual.to_owned(),
            takes,
        })
    };
    let option = |name, declared: bool, actual: bool, takes| {
        let missing = declared && !actual;
        missing
            .then(|| field(name, "true", "false", takes))
            .flatten()
    };
    let options = &spec.options;
    let actual = host.features.unwrap_or(HostFeatures {
        monitoring: true,
        backups: true,
        ipv6: true,
    });
    let vpc = options.vpc.as_deref().zip(host.vpc.as_deref());
    [
        option("backups", options.backups, actual.backups, Remedy::Manual),
        option("ipv6", options.ipv6, actual.ipv6, Remedy::Replace),
        option(
            "monitoring",
            options.monitoring,
            actual.monitoring,
            Remedy::Replace,
        ),
        field("region", &spec.region, &host.region, Remedy::Replace),
        field("size", &spec.size, &host.size, Remedy::Resize),
        vpc.and_then(|(declared, actual)| field("vpc", declared, actual, Remedy::Replace)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the difference in the cloud name, if it does not match the pattern. Ignores case.
pub(super) fn name_difference(
    naming: &Naming,
    request: &PlanRequest,
    spec: &HostSpec,
    host: &Host,
) -> Option<FieldDifference> {
    let declared = naming.node(&request.environment, &spec.name).ok()?;
    let differs = !host.node.eq_ignore_ascii_case(declared.as_str());
    differs.then(|| FieldDifference {
        field: "name".to_owned(),
        declared: declared.into(),
        actual: host.node.clone(),
        takes: Remedy::Rename,
    })
}
