//! `stagecraft infra hosts trust`.

use stagecraft_core::{EnvironmentName, Error, ErrorKind, Fingerprint, Host, RemoteTarget, Run};
use stagecraft_engine::{Engine, TrustReport};
use stagecraft_ssh::ShownKey;

use crate::args::{GlobalArgs, TrustArgs};
use crate::commands::start_run;
use crate::exit::Exit;
use crate::load::{self, Loaded};
use crate::output::Output;
use crate::progress::Progress;
use crate::wire;

pub(super) async fn run(
    global: &GlobalArgs,
    args: &TrustArgs,
    output: Output,
) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environment = loaded.environment(global.env.as_ref())?;
    let engine = loaded.engine(false)?;
    let progress = Progress::new(output);
    let run = start_run(progress.sink(), &loaded);
    let (outcome, report) = if global.dry_run {
        let host = engine.host_of_ours(&run, &environment, &args.host).await?;
        let key = match args.fingerprint {
            Some(key) => key,
            None => shown(&loaded, &run, &host, args).await?.key.fingerprint(),
        };
        let report = planned(global, &environment, &host, key, args)?;
        (wire::Outcome::DryRun, report)
    } else {
        let work = async |run: Run| -> anyhow::Result<TrustReport> {
            let host = engine.host_of_ours(&run, &environment, &args.host).await?;
            let key = if let Some(key) = args.fingerprint {
                key
            } else {
                let shown = shown(&loaded, &run, &host, args).await?;
                let key = shown.key.fingerprint();
                // Refused before asking.
                planned(global, &environment, &host, key, args)?;
                compared(&run, &host, &shown, args, output, &progress).await?;
                key
            };
            // Removed keys are shown before they are removed.
            let planned = planned(global, &environment, &host, key, args)?;
            if !output.is_json() {
                for old in &planned.replaced {
                    let text = format!("no longer accepted for {}: {old}", planned.host);
                    progress.pause(|| output.message(&text));
                }
            }
            Ok(engine.trust(&run, &host, key, args.replace).await?)
        };
        let report = engine.with_lease(&run, &environment, "trust", work).await?;
        (wire::Outcome::Done, report)
    };
    progress.finish();
    if output.is_json() {
        let result = wire::TrustResult::new(&environment, &report);
        progress.result(Exit::Done, outcome, wire::Body::Trust(result));
    } else {
        output.text(&text(&report, &environment, global.dry_run));
    }
    Ok(Exit::Done)
}

fn text(report: &TrustReport, environment: &EnvironmentName, is_dry: bool) -> String {
    let TrustReport { host, key, .. } = report;
    if !report.is_new && report.replaced.is_empty() {
        return format!("{key} is trusted already as the host key of {host} in {environment}\n");
    }
    let is = if is_dry { "would be" } else { "is" };
    let mut lines = vec![format!(
        "{key} {is} trusted as the host key of {host} in {environment}"
    )];
    let gone = report.replaced.iter();
    lines.extend(gone.map(|old| format!("{old} {is} trusted no more")));
    lines.join("\n") + "\n"
}

/// The planned change; or a refusal with the command that makes it.
fn planned(
    global: &GlobalArgs,
    environment: &EnvironmentName,
    host: &Host,
    key: Fingerprint,
    args: &TrustArgs,
) -> stagecraft_core::Result<TrustReport> {
    Engine::plan_trust(host, key, args.replace).map_err(|error| {
        if error.kind() != ErrorKind::Guard {
            return error;
        }
        let (name, config) = (&args.host, global.config_option());
        let rest = format!("--replace --env {environment}{config}");
        error.with_hint(match args.fingerprint {
            Some(key) => format!(
                "if the host was reinstalled, replace it: `stagecraft infra hosts trust {name} --fingerprint {key} {rest}`"
            ),
            // The key that was read is unverified, so it must not appear in a command to copy.
            None => format!(
                "the host shows {key}; if it was reinstalled, compare that with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on its console, and replace it: `stagecraft infra hosts trust {name} {rest}`"
            ),
        })
    })
}

/// The key that the host presents now, unverified.
async fn shown(
    loaded: &Loaded,
    run: &Run,
    host: &Host,
    args: &TrustArgs,
) -> anyhow::Result<ShownKey> {
    let address = host.public_ipv4.ok_or_else(|| {
        let message = format!("{} has no public address yet", args.host);
        Error::new(ErrorKind::Unavailable, message)
    })?;
    let connector = loaded.connector()?;
    let target = RemoteTarget {
        host: args.host.clone(),
        aliases: vec![host.node.clone()],
        address: address.into(),
        host_keys: Vec::new(),
    };
    Ok(connector.shown_key(run, &target).await?)
}

/// Asks whether the presented key is the right one, unless it is pinned already.
async fn compared(
    run: &Run,
    host: &Host,
    shown: &ShownKey,
    args: &TrustArgs,
    output: Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    let key = shown.key.fingerprint();
    if host.host_keys().contains(&key) {
        return Ok(());
    }
    let name = &args.host;
    let place = &shown.place;
    let detour = (shown.detour.as_ref()).map_or_else(String::new, |detour| format!(" ({detour})"));
    if !output.can_ask() {
        let message = format!(
            "{name} shows the host key {key} at {place}{detour}, and there is no terminal to ask on whether it is the right one"
        );
        return Err(Error::new(ErrorKind::Guard, message)
            .with_hint(format!(
                "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host's console, then add --fingerprint {key}"
            ))
            .into());
    }
    let question = format!(
        "{name} shows the host key {key} at {place}{detour}. On the host's console `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` must print the same. Trust it? Type yes:"
    );
    let answer = progress.ask(&question, run).await;
    run.check()?;
    if answer.is_some_and(|answer| answer.trim().eq_ignore_ascii_case("yes")) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Guard,
        format!("the host key of {name} was not accepted"),
    )
    .into())
}
