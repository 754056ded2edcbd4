//! `stagecraft providers`.

use stagecraft_core::config::schema_keys;
use stagecraft_core::{Descriptor, Kind, Registry};

use crate::args::ProvidersArgs;
use crate::builtin;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, Output, RESET};
use crate::render::table;
use crate::wire;

pub(super) fn run(args: &ProvidersArgs, output: Output) -> anyhow::Result<Exit> {
    let registry = builtin::registry()?;
    let Some(id) = &args.id else {
        list(&registry, output);
        return Ok(Exit::Done);
    };
    let found = registry.find(id)?;
    if output.is_json() {
        let found = found.into_iter().map(wire::Provider::with_keys);
        output.document(&wire::ProvidersDocument::new(found));
    } else {
        let texts: Vec<String> = found.into_iter().map(details).collect();
        output.text(&texts.join("\n"));
    }
    Ok(Exit::Done)
}

fn list(registry: &Registry, output: Output) {
    if output.is_json() {
        let providers = registry.descriptors().map(wire::Provider::from);
        output.document(&wire::ProvidersDocument::new(providers));
    } else {
        let rows: Vec<Vec<String>> = registry
            .descriptors()
            .map(|descriptor| {
                vec![
                    descriptor.kind().to_string(),
                    descriptor.id.to_owned(),
                    descriptor.summary.to_owned(),
                    descriptor.origin.to_owned(),
                ]
            })
            .collect();
        output.text(&table(&["KIND", "ID", "SUMMARY", "CRATE"], &rows));
    }
}

fn details(descriptor: &Descriptor) -> String {
    let Descriptor { id, summary, .. } = descriptor;
    let block = match descriptor.kind() {
        Kind::Cloud => format!("cloud.providers.{id}"),
        Kind::Network => format!("network.providers.{id}"),
        Kind::Step => format!("infra.bootstrap.{id}"),
    };
    let capabilities = match descriptor.capabilities {
        [] => "none beyond its kind's".to_owned(),
        several => several.join(", "),
    };
    let experimental = if descriptor.is_experimental {
        ", experimental"
    } else {
        ""
    };
    let rows: Vec<Vec<String>> = schema_keys(&(descriptor.schema)().to_value())
        .into_iter()
        .map(|key| {
            let required = if key.is_required { "required" } else { "" };
            vec![
                key.key,
                key.kind,
                required.to_owned(),
                first_sentence(&key.description),
            ]
        })
        .collect();
    format!(
        "{BOLD}{id}{RESET}: {summary}\n\
         {DIM}{}, crate {} {}{experimental}{RESET}\n\
         capabilities: {capabilities}\n\n\
         keys of `{block}`:\n{}",
        descriptor.kind(),
        descriptor.origin,
        descriptor.version,
        table(&["KEY", "TYPE", "", "MEANING"], &rows)
    )
}

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => first.to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}
