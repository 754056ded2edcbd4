//! `stagecraft config`: validate, show, schema.

mod show;

use crate::args::{ConfigCommand, GlobalArgs};
use crate::exit::Exit;
use crate::output::{GREEN, Output, RESET};
use crate::{load, wire};

pub(super) fn run(
    global: &GlobalArgs,
    command: &ConfigCommand,
    output: Output,
) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Validate => validate(global, output),
        ConfigCommand::Show(args) => show::run(global, args, output),
        ConfigCommand::Schema => {
            output.document(&load::schema()?);
            Ok(Exit::Done)
        }
    }
}

fn validate(global: &GlobalArgs, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environments = match &global.env {
        Some(named) => vec![loaded.declared_environment(Some(named))?],
        None => loaded.cloud.environments(),
    };
    let mut summary = Vec::new();
    for environment in &environments {
        summary.push((environment, loaded.cloud.declared(environment)?.len()));
    }
    loaded.check_max_hosts(&summary)?;
    if output.is_json() {
        let environments = summary.iter().map(|(name, hosts)| wire::ConfigEnvironment {
            name: name.to_string(),
            hosts: *hosts,
        });
        output.document(&wire::ConfigDocument::new(environments));
    } else {
        let list: Vec<String> = summary
            .iter()
            .map(|(name, hosts)| {
                format!(
                    "{name} ({hosts} host{})",
                    if *hosts == 1 { "" } else { "s" }
                )
            })
            .collect();
        output.text(&format!(
            "{GREEN}valid{RESET}: {}, environments: {}\n",
            global.config.display(),
            list.join(", ")
        ));
    }
    Ok(Exit::Done)
}
