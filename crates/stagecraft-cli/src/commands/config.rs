//! `stagecraft config`: validate, show, schema.

mod show;

use std::sync::Arc;

use infra_bootstrap::BootstrapConfig;
use stagecraft_core::config::project_schema;
use stagecraft_core::{Error, ErrorKind, Lookup, NoEvents, Run};

use crate::args::{ConfigCommand, GlobalArgs};
use crate::exit::Exit;
use crate::output::{GREEN, Output, RESET};
use crate::render::plural;
use crate::{builtin, load, wire};

pub(super) async fn run(
    global: &GlobalArgs,
    command: &ConfigCommand,
    output: Output,
) -> anyhow::Result<Exit> {
    match command {
        ConfigCommand::Validate => validate(global, output).await,
        ConfigCommand::Show(args) => show::run(global, args, output),
        ConfigCommand::Schema => {
            let registry = builtin::registry()?;
            output.document(&project_schema(&registry, &BootstrapConfig::schemas()));
            Ok(Exit::Done)
        }
    }
}

async fn validate(global: &GlobalArgs, output: Output) -> anyhow::Result<Exit> {
    let loaded = load::load(global)?;
    let environments = match &global.env {
        Some(named) => vec![loaded.declared_environment(Some(named))?],
        None => loaded.cloud.environments(),
    };
    let mut summary = Vec::new();
    for environment in &environments {
        summary.push((environment, loaded.cloud.declared(environment)?.len()));
    }
    let run = Run::new(
        Arc::new(NoEvents),
        Arc::clone(&loaded.lookup) as Arc<dyn Lookup>,
    );
    let mut problems = Vec::new();
    for environment in &environments {
        for finding in loaded.cloud.check_files(&run, environment).await? {
            let host = finding.host.map(|host| format!("{host}: "));
            problems.push(format!("{}{}", host.unwrap_or_default(), finding.message));
        }
    }
    if !problems.is_empty() {
        return Err(Error::new(ErrorKind::Config, problems.join("; ")).into());
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
            .map(|(name, hosts)| format!("{name} ({})", plural(*hosts, "host")))
            .collect();
        output.text(&format!(
            "{GREEN}valid{RESET}: {}, environments: {}\n",
            global.config.display(),
            list.join(", ")
        ));
    }
    Ok(Exit::Done)
}
