//! The steps as programs find them.

#[test]
fn step_is_found_in_the_registry_and_built_from_the_file() {
    use stagecraft_core::config::{Document, Project};
    use stagecraft_core::{BuildContext, Kind, Registry};
    let registry = Registry::discover().unwrap();
    assert_eq!(
        registry.ids(Kind::Step),
        [
            "docker",
            "network",
            "swap",
            "sysctl",
            "system",
            "timezone",
            "unattended_upgrades",
            "users"
        ]
    );
    let build = |text: &str| {
        let text = format!("infra:\n  bootstrap:\n    docker: {text}\n");
        let project = Project::new(Document::new("f.yml", text).unwrap()).unwrap();
        registry
            .step(
                "docker",
                &project.bootstrap_block("docker"),
                &BuildContext::default(),
            )
            .map(|step| format!("{step:?}"))
            .map_err(|error| error.chain().join(": "))
    };
    assert!(build("{ version: latest, install_method: apt }").is_ok());
    assert!(build("{ installMethod: skip }").unwrap().contains("Skip"));
    for bad in [
        "{ version: newest }",
        "{ install_method: yum }",
        "{ verison: latest }",
    ] {
        assert!(build(bad).unwrap_err().contains("f.yml:3:"), "{bad}");
    }
}
