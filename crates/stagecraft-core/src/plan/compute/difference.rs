//! What about a host is not as declared.

use crate::host::{Host, HostFeatures, HostSpec};
use crate::naming::Naming;
use crate::plan::entries::{FieldDifference, Remedy};
use crate::plan::request::PlanRequest;

/// The image is no difference: a slug moves from one image to the next. Of the options only
/// those that are declared and missing count.
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

/// The name in the cloud, if it is not by the pattern. Case does not matter there.
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
