//! Every branch of the decision.

use provider_tailscale::core::{ErrorKind, NetworkProvider, ProbeFacts};
use provider_tailscale::{InstallMethod, Tailscale};

use crate::support::{JOINED, LOCKED_OUT, NEEDS_LOGIN, SECOND, builder, node, probed, provider};

fn ids(provider: &Tailscale, facts: &ProbeFacts) -> Vec<&'static str> {
    let changes = provider.decide(facts, &node()).unwrap();
    changes.iter().map(|change| change.id).collect()
}

fn refusal(provider: &Tailscale, facts: &ProbeFacts) -> (ErrorKind, &'static str, String) {
    let error = provider.decide(facts, &node()).unwrap_err();
    assert_eq!(error.provider(), Some("tailscale"));
    (
        error.kind(),
        error.operation().unwrap(),
        error.to_string().replace("tailscale provider: ", ""),
    )
}

fn missing(os: &str) -> ProbeFacts {
    ProbeFacts {
        output: format!("{os}installed=no\n"),
        code: 0,
    }
}

fn joined_with(from: &str, to: &str) -> ProbeFacts {
    assert!(JOINED.contains(from), "{from}");
    probed("", &JOINED.replace(from, to))
}

#[test]
fn membership_follows_the_state() {
    let provider = provider();
    let state = |state: &str| joined_with("\"Running\"", &format!("\"{state}\""));
    let keyless = |state: &str| {
        let status = JOINED.replace("\"HaveNodeKey\": true,", "");
        probed("", &status.replace("\"Running\"", &format!("\"{state}\"")))
    };
    for (facts, expected) in [
        (probed("", JOINED), &[][..]),
        (probed("", NEEDS_LOGIN), &["join"]),
        (keyless("NoState"), &["join"]),
        (keyless("Stopped"), &["join"]),
        (keyless("Starting"), &["join"]),
        (state("NoState"), &["reconnect"]),
        (state("Stopped"), &["start"]),
        (state("Starting"), &["reconnect"]),
        (state("NeedsLogin"), &["join"]),
        (
            joined_with("\"Online\": true", "\"Online\": false"),
            &["reconnect"],
        ),
        (
            joined_with("\"Tags\": [\n      \"tag:gw\"\n    ],", ""),
            &["retag"],
        ),
        (joined_with("\"tag:gw\"", "\"tag:other\""), &["retag"]),
        (joined_with("\"tag:gw\"", "\"tag:GW\""), &["retag"]),
        (joined_with("\"tag:gw\"", "\"tag:gw\", \"tag:more\""), &[]),
        (
            joined_with("web-1.tail.internal.", "web-1."),
            &["reconnect"],
        ),
        (probed("accept_dns=true\n", JOINED), &["settings"]),
        (probed("accept_dns=false\n", JOINED), &[]),
        (probed("accept_dns=false\nhostname=web-1\n", JOINED), &[]),
        (
            probed("accept_dns=false\nhostname=other\n", JOINED),
            &["settings"],
        ),
        (probed("accept_dns=\nhostname=\n", JOINED), &[]),
    ] {
        assert_eq!(ids(&provider, &facts), expected, "{}", facts.output);
    }
}

#[test]
fn node_under_tailnet_lock_is_refused_with_what_signs_it() {
    let status = LOCKED_OUT
        .replace("example-net.ts.net", "tail.internal")
        .replace("staging-h1", "web-1")
        .replace("tag:stagecraft", "tag:gw");
    let facts = probed("", &status);
    let (kind, operation, text) = refusal(&provider(), &facts);
    assert_eq!((kind, operation), (ErrorKind::Rejected, "verify"));
    assert_eq!(
        text,
        "node web-1 is locked out by tailnet lock: no other node can reach it until it is signed"
    );
    let error = provider().decide(&facts, &node()).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("`tailscale lock sign nodekey:00`"), "{hint}");
    assert!(provider().warnings(&facts).is_empty());
    // Without the report the same node is as wanted, and any other report is a warning.
    let (before, after) = status.split_once("this node is locked out").unwrap();
    let (_, after) = after.split_once('"').unwrap();
    let other = format!("{before}Some peers are advertising routes\"{after}");
    let facts = probed("", &other);
    assert!(ids(&provider(), &facts).is_empty());
    assert_eq!(
        provider().warnings(&facts),
        ["tailscale reports: Some peers are advertising routes"]
    );
}

#[test]
fn node_that_is_cut_off_is_waited_for() {
    let report = "Tailscale cannot connect because the network is down.";
    let facts = joined_with("getting OS base config is not supported", report);
    assert_eq!(ids(&provider(), &facts), ["reconnect"]);
}

#[test]
fn client_is_installed_only_where_that_is_possible_and_wanted() {
    let auto = provider();
    let debian = missing("os_id=debian\nos_codename=trixie\n");
    assert_eq!(ids(&auto, &debian), ["install", "join"]);
    assert_eq!(
        ids(&auto, &missing("os_id=ubuntu\nos_codename=noble\n")),
        ["install", "join"]
    );
    for (os, name) in [
        ("os_id=fedora\nos_codename=\n", "`fedora`"),
        ("os_id=linuxmint\nos_codename=noble\n", "`linuxmint`"),
        ("", "`unknown system`"),
        ("os_id=debian\nos_codename=\n", "`debian \"\"`"),
        ("os_id=debian\nos_codename=a/../b\n", "`debian \"a/../b\"`"),
    ] {
        let (kind, operation, text) = refusal(&auto, &missing(os));
        assert_eq!((kind, operation), (ErrorKind::Unsupported, "install"));
        assert!(text.contains(name), "{text}");
    }
    let skip = builder()
        .install_method(InstallMethod::Skip)
        .build()
        .unwrap();
    assert_eq!(
        refusal(&skip, &debian),
        (
            ErrorKind::Rejected,
            "install",
            "client is missing and install.method is skip".into()
        )
    );
    assert!(ids(&skip, &probed("", JOINED)).is_empty());
}

#[test]
fn old_client_is_refused_with_the_command_that_upgrades() {
    let provider = builder().min_version("1.82").build().unwrap();
    let running = |version: &str| probed("", &JOINED.replace("1.82.0-tlocal", version));
    assert!(ids(&provider, &running("1.82.0-tlocal")).is_empty());
    assert!(ids(&provider, &running("1.100.0")).is_empty());
    let silent = |version: &str| ProbeFacts {
        output: format!("installed=yes\nversion={version}\nstatus_code=1\nstatus:\n\n"),
        code: 0,
    };
    assert_eq!(ids(&provider, &silent("1.82.0")), ["daemon"]);
    assert_eq!(
        refusal(&provider, &silent("1.9.3")).2,
        "client 1.9.3 is older than min_version 1.82"
    );
    let old = running("1.9.3");
    let (kind, operation, text) = refusal(&provider, &old);
    assert_eq!((kind, operation), (ErrorKind::Rejected, "install"));
    assert_eq!(text, "client 1.9.3 is older than min_version 1.82");
    let hint = provider.decide(&old, &node()).unwrap_err();
    assert!(hint.hint().unwrap().contains("--only-upgrade tailscale"));
    let (kind, ..) = refusal(&provider, &running(""));
    assert_eq!(kind, ErrorKind::Protocol);
}

#[test]
fn silent_daemon_is_started_before_anything_else() {
    let facts = ProbeFacts {
        output: "installed=yes\nversion=1.82.0\nstatus_code=1\nstatus:\n\n".into(),
        code: 0,
    };
    assert_eq!(ids(&provider(), &facts), ["daemon"]);
}

#[test]
fn host_of_another_tailnet_or_server_is_refused() {
    let other = builder();
    let facts = probed("", &JOINED.replace("tail.internal", "tail9.ts.net"));
    assert_eq!(
        refusal(&provider(), &facts),
        (
            ErrorKind::Rejected,
            "join",
            "host belongs to tailnet tail9.ts.net, not tail.internal".into()
        )
    );
    let foreign = probed("control_url=https://hs.example.com\n", JOINED);
    assert_eq!(
        refusal(&provider(), &foreign),
        (
            ErrorKind::Rejected,
            "join",
            "host belongs to control server https://hs.example.com, not https://controlplane.tailscale.com".into()
        )
    );
    let ours = other
        .login_server("https://hs.example.com/")
        .build()
        .unwrap();
    assert!(ids(&ours, &foreign).is_empty());
    for url in [
        "https://controlplane.tailscale.com",
        "https://login.tailscale.com",
    ] {
        assert!(
            ids(
                &provider(),
                &probed(&format!("control_url={url}\n"), JOINED)
            )
            .is_empty()
        );
    }
    // A host that failed to log in there has only remembered the address.
    let tried = probed("control_url=https://hs.example.com\n", NEEDS_LOGIN);
    assert_eq!(ids(&provider(), &tried), ["join"]);
}

#[test]
fn case_of_the_tailnets_name_does_not_matter() {
    let provider = Tailscale::builder("K", "TAIL.internal").build().unwrap();
    let facts = probed(
        "",
        &JOINED.replace("\"MagicDNSSuffix\": \"tail", "\"MagicDNSSuffix\": \"Tail"),
    );
    assert!(ids(&provider, &facts).is_empty());
}

#[test]
fn member_that_the_tailnet_calls_otherwise_is_refused_with_what_to_do() {
    let provider = provider();
    let taken = probed("accept_dns=false\nhostname=web-1\n", SECOND);
    let other = joined_with("\"DNSName\": \"web-1.tail", "\"DNSName\": \"web-1-1.tail");
    for (facts, name) in [
        (&taken, "web-1-wns3zcct.tail.internal"),
        (&other, "web-1-1.tail.internal"),
    ] {
        let node_only = builder().build().unwrap();
        let (kind, operation, text) = refusal(&node_only, facts);
        assert_eq!((kind, operation), (ErrorKind::Rejected, "verify"));
        assert_eq!(
            text,
            format!("tailnet calls the node `{name}`, expected was `web-1.tail.internal`")
        );
    }
    let error = provider.decide(&other, &node()).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(hint.contains("remove the old device") && hint.contains("tailscale logout"));

    // Case does not matter, and a name that was never asked for is asked for first.
    let shouted = joined_with("\"DNSName\": \"web-1.tail", "\"DNSName\": \"Web-1.Tail");
    assert!(ids(&provider, &shouted).is_empty());
    let renamed = |head| {
        let status = JOINED.replace("\"DNSName\": \"web-1.tail", "\"DNSName\": \"old.tail");
        probed(head, &status)
    };
    assert_eq!(
        ids(&provider, &renamed("accept_dns=false\nhostname=old\n")),
        ["settings"]
    );
    // Settings that cannot be read are not edited.
    let (kind, ..) = refusal(&provider, &renamed("accept_dns=\nhostname=old\n"));
    assert_eq!(kind, ErrorKind::Rejected);
}

#[test]
fn node_that_waits_for_approval_is_told_so() {
    let provider = provider();
    let facts = joined_with("\"Running\"", "\"NeedsMachineAuth\"");
    let error = provider.decide(&facts, &node()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tailscale provider: node web-1 waits for approval"
    );
    assert!(error.hint().unwrap().contains("approve it"));
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let provider = provider();
    for facts in [
        ProbeFacts::default(),
        probed("", "{\"BackendState\":"),
        probed("", "{\"BackendState\":\"Dreaming\"}"),
        probed("", "{\"BackendState\":\"Running\",\"Self\":7}"),
    ] {
        assert_eq!(
            refusal(&provider, &facts).0,
            ErrorKind::Protocol,
            "{}",
            facts.output
        );
    }
}

#[test]
fn role_tags_are_wanted_beside_the_default_ones() {
    let provider = builder()
        .role_tag("web", "tag:web")
        .role_tag("db", "tag:db")
        .build()
        .unwrap();
    assert_eq!(ids(&provider, &probed("", JOINED)), ["retag"]);
    let both = joined_with("\"tag:gw\"", "\"tag:web\", \"tag:gw\"");
    assert!(ids(&provider, &both).is_empty());
    let changes = provider.decide(&probed("", JOINED), &node()).unwrap();
    assert_eq!(
        changes[0].summary,
        "tag web-1 with tag:gw,tag:web; other tailscale settings made by hand on the host are reset"
    );
}
