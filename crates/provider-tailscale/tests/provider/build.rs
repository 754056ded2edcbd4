//! Making a provider, from a file and in code.

use std::sync::Arc;

use provider_tailscale::core::config::{ConfigBlock, ConfigError, ConfigErrors, Document};
use provider_tailscale::core::{
    BuildContext, Error, ErrorKind, Kind, NetworkProvider, NodeName, Registry, Result, Run,
    StepOutcome,
};
use provider_tailscale::{DESCRIPTOR, Tailscale};

use crate::support::{KEY, provider};

fn build(text: &str) -> Result<Arc<dyn NetworkProvider>> {
    let document = Arc::new(Document::new("stagecraft.yml", text).unwrap());
    let block = ConfigBlock::new(document, ["network", "providers", "tailscale"]);
    let registry = Registry::new([&DESCRIPTOR]).unwrap();
    registry.network("tailscale", &block, &BuildContext::default())
}

fn config_error(error: &Error) -> &ConfigError {
    let source = std::error::Error::source(error).unwrap();
    source.downcast_ref::<ConfigErrors>().unwrap().first()
}

#[test]
fn linked_program_discovers_the_provider() {
    let registry = Registry::discover().unwrap();
    assert_eq!(registry.ids(Kind::Network), ["tailscale"]);
}

#[test]
fn provider_is_built_from_its_block_without_its_secret() {
    let provider = build(
        "network:\n  providers:\n    tailscale:\n      auth_key_env: TS_AUTHKEY\n      tailnet_domain: tail1.ts.net\n",
    )
    .unwrap();
    assert_eq!(provider.id(), "tailscale");
    let fqdn = provider.node_fqdn(&NodeName::new("prod-db-1").unwrap());
    assert_eq!(fqdn.unwrap(), "prod-db-1.tail1.ts.net");
}

#[test]
fn absent_block_names_the_first_required_key() {
    let error = build("network:\n  provider: tailscale\n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(config_error(&error).message.contains("tailnet_domain"));
}

#[test]
fn key_in_place_of_its_variables_name_is_refused_and_not_repeated() {
    let error = build(&format!(
        "network:\n  providers:\n    tailscale:\n      auth_key_env: {KEY}\n      tailnet_domain: t.ts.net\n"
    ))
    .unwrap_err();
    let inner = config_error(&error);
    assert_eq!(inner.location.map(|at| at.line), Some(4));
    assert!(inner.message.contains("name of a variable"), "{inner}");
    assert!(!format!("{error:?}{inner:?}{:?}", error.chain()).contains("tskey"));
    let error = Tailscale::builder(KEY, "t.ts.net").build().unwrap_err();
    assert!(!format!("{error:?}").contains("tskey"));
}

#[test]
fn builder_refuses_what_a_file_may_not_hold() {
    let new = || Tailscale::builder("K", "t.ts.net");
    for builder in [
        Tailscale::builder("K", "tailnet"),
        new().default_tag("db"),
        new().role_tag("DB", "tag:db"),
        new().role_tag("db", "tag:1"),
        new().min_version("new"),
        new().login_server("http://example.com"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.provider(), Some("tailscale"));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn forgetting_a_node_is_skipped_with_a_reason() {
    let node = NodeName::new("prod-db-1").unwrap();
    let outcome = provider().forget(&Run::default(), &node).await.unwrap();
    let reason = "no API access: remove prod-db-1 in the admin console".to_owned();
    assert_eq!(outcome, StepOutcome::Skipped { reason });
}
