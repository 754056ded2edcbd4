use proptest::prelude::*;

use super::*;

fn naming(project: &str, pattern: &str) -> Naming {
    let project = Some(ProjectName::new(project).unwrap());
    Naming::new(project, pattern.parse().unwrap())
}

fn node(naming: &Naming, environment: &str, host: &str) -> Result<String, String> {
    let environment = EnvironmentName::new(environment).unwrap();
    let node = naming.node(&environment, &HostName::new(host).unwrap());
    node.map(String::from).map_err(|error| error.to_string())
}

fn host(naming: &Naming, environment: &str, node: &str, tags: &[String]) -> Option<String> {
    let environment = EnvironmentName::new(environment).unwrap();
    naming.host_of(&environment, node, tags).map(String::from)
}

#[test]
fn patterns_are_read_strictly_and_shown_as_they_were_written() {
    for good in [
        "{env}-{host}",
        "{project}-{env}-{host}",
        "acme-{project}--{env}-{host}",
        "{host}-{env}-v2",
        "{env}--eu-{host}",
        "x-{env}-{project}-{host}",
    ] {
        assert_eq!(good.parse::<NamePattern>().unwrap().to_string(), good);
    }
    for (bad, told) in [
        ("", "{env} is missing"),
        ("{host}", "{env} is missing"),
        ("{env}", "{host} is missing"),
        ("{env}-{host}-{env}", "{env} stands in it twice"),
        ("{environment}-{host}", "unknown placeholder {environment}"),
        ("{projet}-{env}-{host}", "did you mean {project}?"),
        ("{env}-{host", "a `{` without its `}`"),
        ("{env}-eu-{host}", "it begins like `{env}-{host}`"),
        ("{env}-{project}-{host}", "write `--` after {env}"),
        ("{env}{host}", "need a '-' between them"),
        ("{env}x{host}", "need a '-' between them"),
        ("x-{env}-{host}-", "neither starts nor ends"),
        ("-{env}-{host}", "neither starts nor ends"),
        ("{env}.{host}", "lower-case letters, digits and '-' only"),
        ("A-{env}-{host}", "lower-case letters, digits and '-' only"),
        ("{env}-{host}}", "lower-case letters, digits and '-' only"),
    ] {
        let error = bad.parse::<NamePattern>().unwrap_err().to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
    let long = format!("{}-{{env}}-{{host}}", "a".repeat(40));
    assert!(long.parse::<NamePattern>().is_err());
}

#[test]
fn names_that_two_hosts_could_have_are_refused_with_a_pattern_that_works() {
    let dashed = naming("web-shop", "{project}-{env}-{host}");
    let error = node(&dashed, "prod", "app-1").unwrap_err();
    assert!(
        error.contains("write `{project}--{env}--{host}`"),
        "{error}"
    );
    let plain = naming("shop", "{project}-{env}-{host}");
    assert_eq!(
        node(&plain, "prod", "eu-app-1").unwrap(),
        "shop-prod-eu-app-1"
    );
    let error = node(&plain, "prod-eu", "app-1").unwrap_err();
    assert!(error.contains("env `prod-eu` contains `-`"), "{error}");
    let double = naming("web-shop", "{project}--{env}--{host}");
    let name = node(&double, "prod-eu", "app-1").unwrap();
    assert_eq!(name, "web-shop--prod-eu--app-1");
    let error = node(&naming("a--b", "{project}--{env}--{host}"), "x", "y").unwrap_err();
    assert!(error.ends_with("choose another project name"), "{error}");
    // The default pattern is unchanged; one file's environments are compared with each other.
    let first = naming("web-shop", "{env}-{host}");
    assert_eq!(node(&first, "prod-eu", "app-1").unwrap(), "prod-eu-app-1");
}

#[test]
fn pattern_with_a_project_needs_one_and_whole_names_keep_to_63_letters() {
    let none = Naming::new(None, "{project}-{env}-{host}".parse().unwrap());
    assert!(none.check_project().unwrap_err().is_of_project());
    assert_eq!(host(&none, "prod", "shop-prod-app-1", &[]), None);
    let long = naming(&"p".repeat(30), "{project}-{env}-{host}");
    let error = node(&long, &"e".repeat(20), &"h".repeat(12)).unwrap_err();
    assert!(error.contains("1 to 63"), "{error}");
    assert!(node(&long, &"e".repeat(20), &"h".repeat(11)).is_ok());
}

#[test]
fn old_names_are_known_by_the_tag_of_their_pattern_and_the_first_ones_without() {
    let old = naming("shop", "x-{env}-{project}-{host}");
    let now = naming("shop", "{project}-{env}-{host}");
    let tags = [old.tag().unwrap().to_ascii_uppercase()];
    let app = Some("app-1".to_owned());
    assert_eq!(host(&now, "prod", "x-prod-shop-app-1", &tags), app);
    assert_eq!(host(&now, "prod", "prod-app-1", &[]), app);
    assert_eq!(host(&now, "prod", "Shop-Prod-App-1", &[]), app);
    // A user renamed it to match the file; the tag is still the old one.
    assert_eq!(host(&now, "prod", "shop-prod-app-1", &tags), app);
    assert_eq!(host(&now, "prod", "web", &tags), None);
    assert_eq!(host(&now, "prod", "stage-app-1", &[]), None);
}

#[test]
fn name_that_two_patterns_read_as_different_hosts_is_nobodys() {
    let old = naming("shop", "{project}-{env}-{host}");
    let now = naming("shop", "{project}-{env}-x-{host}");
    let tags = [old.tag().unwrap()];
    assert_eq!(host(&now, "prod", "shop-prod-x-app-1", &tags), None);
    let tags = [now.tag().unwrap()];
    let app = Some("app-1".to_owned());
    assert_eq!(host(&now, "prod", "shop-prod-x-app-1", &tags), app);
}

#[test]
fn project_that_begins_like_the_environment_is_refused_since_old_names_could_be_meant() {
    let same = naming("prod", "{project}-{env}-{host}");
    let error = node(&same, "prod", "app-1").unwrap_err();
    assert!(error.contains("begin alike"), "{error}");
    assert!(node(&same, "staging", "app-1").is_ok());
    let apart = naming("prod", "p-{project}-{env}-{host}");
    assert_eq!(node(&apart, "prod", "app-1").unwrap(), "p-prod-prod-app-1");
}

proptest! {
    #[test]
    fn no_two_hosts_get_one_name_by_one_pattern(
        pattern in prop::sample::select(vec![
            "{project}-{env}-{host}",
            "{project}--{env}--{host}",
            "{project}--{env}-{host}",
            "{host}-{env}-{project}",
            "x-{env}-a-{project}-{host}",
        ]),
        one in "[ab](-{0,2}[ab]){0,2} [ab](-{0,2}[ab]){0,2} [ab](-{0,2}[ab]){0,2}",
        other in "[ab](-{0,2}[ab]){0,2} [ab](-{0,2}[ab]){0,2} [ab](-{0,2}[ab]){0,2}",
    ) {
        let name = |whole: &str| {
            let parts: Vec<&str> = whole.split(' ').collect();
            let naming = naming(parts[0], pattern);
            let node = node(&naming, parts[1], parts[2]).ok()?;
            // The name is read back as the same host.
            let tags = [naming.tag()?];
            let read = host(&naming, parts[1], &node, &tags);
            assert_eq!(read.as_deref(), Some(parts[2]), "{node}");
            Some(node)
        };
        if let (Some(first), Some(second)) = (name(&one), name(&other)) {
            prop_assert_eq!(first == second, one == other);
        }
    }

    #[test]
    fn tag_of_a_pattern_tells_it_in_any_case(upper in any::<bool>(), start in "[a-z]{0,5}") {
        let start = if start.is_empty() { start } else { format!("{start}-") };
        let pattern: NamePattern = format!("{start}{{project}}-{{env}}--{{host}}").parse().unwrap();
        let tag = tags::name_pattern_tag(&pattern);
        let tag = if upper { tag.to_ascii_uppercase() } else { tag };
        let read: Vec<NamePattern> = tags::name_patterns(&[tag]).collect();
        prop_assert_eq!(read, [pattern]);
    }
}
