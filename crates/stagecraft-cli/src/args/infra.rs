//! `stagecraft infra`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use stagecraft_core::{Fingerprint, HostName, PlanRequest, ResizeMode, RoleName};

#[derive(Debug, Subcommand)]
pub(crate) enum InfraCommand {
    /// Show what `up` would do, or what `down` or `prune` would delete; changes nothing
    #[command(after_help = "Examples:
  stagecraft infra plan --env staging
  stagecraft infra plan --env staging --role db            only hosts of that role
  stagecraft infra plan --env staging --hosts              reads the existing hosts too
  stagecraft infra plan --env staging --destroy            what `down` would delete
  stagecraft infra plan --env staging --output json | jq '.plan.create[].name'
  stagecraft infra plan --hosts --out staging.plan         for review, with the changes on hosts
  stagecraft infra up --plan staging.plan                  carry out exactly that, or refuse
  stagecraft infra plan --detailed-exitcode                20 if the environment is not as declared")]
    Plan(PlanArgs),
    /// Create what is missing and make every host ready; never deletes
    #[command(after_help = "Examples:
  stagecraft infra up --env staging                reads the hosts, asks before it creates or changes any
  stagecraft infra up --env staging --yes          for scripts
  stagecraft infra up --host app-1,app-2           only these hosts
  stagecraft infra up --resize                     give hosts the declared size, with a pause
  stagecraft infra up --resize --grow-disk         their disks too, which cannot be undone
  stagecraft infra up --dry-run                    what would be created and changed
  stagecraft infra up --plan staging.plan          exactly the plan that was saved; does not ask
  stagecraft infra up --bundle /tmp/failed         if it fails, what happened is there

Safe to repeat, and to go on with after it was interrupted or killed.
Exit code 7: a limit would be exceeded, hosts differ from the file, a saved plan does not
approve a change, or there is no terminal to confirm on.")]
    Up(UpArgs),
    /// Make the hosts ready that exist; nothing is done in the cloud
    #[command(after_help = "Examples:
  stagecraft infra bootstrap --env staging                reads every host, asks before it changes any
  stagecraft infra bootstrap --env staging --yes          for scripts
  stagecraft infra bootstrap --env staging --host app-1   only this host, again for example
  stagecraft infra bootstrap --role db                    only hosts of that role
  stagecraft infra bootstrap --dry-run                    what each step would change

Creates, resizes and deletes nothing. Declared hosts that do not exist are listed; one that
is named by --host is an error. Hosts that the file does not declare are left alone.
Safe to repeat: a host with nothing to change is only read.
Exit code 3: no host became ready; 4: none joined the network; 10: some hosts failed;
7: hosts would change, and there is no terminal to confirm on.")]
    Bootstrap(BootstrapArgs),
    /// Delete the environment's hosts, and wait until they are gone
    #[command(after_help = "Examples:
  stagecraft infra down --env staging                     asks for the environment's name
  stagecraft infra down --env staging --confirm staging   for scripts
  stagecraft infra down --env staging --host app-1        only this host
  stagecraft infra down --env staging --made-by 9f86d081884c7d65
                                                          only what that run of `up` made

Protected hosts are refused (exit code 7): stagecraft infra unprotect HOST.")]
    Down(DownArgs),
    /// Delete hosts of ours that the file does not declare
    #[command(after_help = "Examples:
  stagecraft infra prune --env staging --dry-run           what would be deleted
  stagecraft infra prune --env staging                     asks for the environment's name
  stagecraft infra prune --env staging --confirm staging   for scripts

Needs project.name in the file: without it an undeclared host may be somebody else's.
Exit code 7: hosts are protected, more than half of the environment would go
(--more-than-half), or the name was not typed.")]
    Prune(PruneArgs),
    /// Delete hosts whose time, `ttl` in the file, is over
    #[command(after_help = "Examples:
  stagecraft infra reap --env preview --dry-run           whose time is over
  stagecraft infra reap --env preview --confirm preview   for a job that runs now and then

Exits 0 if no host's time is over, and tells when the next one ends.")]
    Reap(ReapArgs),
    /// Make hosts ours that were made by other means
    #[command(after_help = "Examples:
  stagecraft infra adopt app-1 db-1 --env staging                     asks for the environment's name
  stagecraft infra adopt app-1 db-1 --env staging --confirm staging   for scripts

A host is adopted by its tags. It must be declared, and have the name in the cloud that
the file gives it, such as staging-app-1. Its host key does not become known by that:
accept it next by `stagecraft infra hosts trust`, or `up` does nothing on the host.
Exit code 7: none of the hosts can be adopted; 10: some of them cannot.")]
    Adopt(NamedArgs),
    /// Take the protection of hosts away, so that they can be deleted
    #[command(after_help = "Examples:
  stagecraft infra unprotect db-1 --env staging                     asks for the environment's name
  stagecraft infra unprotect db-1 --env staging --confirm staging   for scripts

As long as the file declares `protect: true`, the host stays protected.")]
    Unprotect(NamedArgs),
    /// Delete one host with everything on it, and make it anew
    #[command(after_help = "Examples:
  stagecraft infra replace app-1 --env staging --dry-run           what would be done
  stagecraft infra replace app-1 --env staging                     asks for the environment's name
  stagecraft infra replace app-1 --env staging --confirm staging   for scripts

The new host is checked first: nothing is deleted that cannot be made again.
After an interruption `stagecraft infra up` goes on, or the same command again.
Exit code 7: the host is protected, a limit would be exceeded, or the name was not typed.")]
    Replace(ReplaceArgs),
    /// List the environment's hosts, or accept a host's key
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:
  stagecraft infra hosts --env staging
  stagecraft infra hosts --env staging --output json | jq -r '.hosts[].public_ipv4'
  stagecraft infra hosts trust db-1 --env staging"
    )]
    Hosts {
        #[command(subcommand)]
        command: Option<HostsCommand>,
    },
    /// Break the lease that a run left behind
    #[command(after_help = "Examples:
  stagecraft infra unlock --env staging --dry-run           who has the lease
  stagecraft infra unlock --env staging                     asks for the environment's name
  stagecraft infra unlock --env staging --confirm staging   for scripts

Seldom needed: the next run takes over by itself from a run of the same machine that has
ended, and from one elsewhere that has shown no sign of life for lease.expiry.
Exit code 7: the holder may be alive. If it is, it notices before its next write.")]
    Unlock(UnlockArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// Accept the host key of an adopted or reinstalled host, for everybody who has the token
    #[command(after_help = "Examples:
  stagecraft infra hosts trust db-1 --env staging --fingerprint SHA256:...
                               the fingerprint that the host's console shows, by
                               ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
  stagecraft infra hosts trust db-1 --env staging
                               shows the key that the host shows, and asks
  stagecraft infra hosts trust db-1 --env staging --fingerprint SHA256:... --replace
                               it was reinstalled: the keys before are not accepted any more

The fingerprint becomes a tag of the host. Hosts that Stagecraft made have theirs from the start.
Exit code 7: another key is pinned (--replace), or there is no terminal to confirm on
(--fingerprint).")]
    Trust(TrustArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// The host, as the file names it
    #[arg(value_name = "HOST")]
    pub(crate) host: HostName,
    /// The fingerprint of its ed25519 host key, read on the host itself; asked for if left out
    #[arg(long, value_name = "SHA256:...")]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Accept no other key of this host any more
    #[arg(long)]
    pub(crate) replace: bool,
    /// Do not ask; a key that nobody has compared is never accepted
    #[arg(short, long, requires = "fingerprint")]
    pub(crate) yes: bool,
}

/// Which hosts a command works on.
#[derive(Debug, Args)]
pub(crate) struct SelectionArgs {
    /// Only these hosts; may be repeated, or be a list with commas. The name of an entry with
    /// `count` stands for all its hosts
    #[arg(
        id = "hosts",
        long = "host",
        value_name = "NAME",
        value_delimiter = ','
    )]
    hosts: Vec<HostName>,
    /// Only hosts of these roles; may be repeated, or be a list with commas
    #[arg(
        id = "roles",
        long = "role",
        value_name = "NAME",
        value_delimiter = ','
    )]
    roles: Vec<RoleName>,
}

impl SelectionArgs {
    /// Narrows a request.
    pub(crate) fn select(&self, request: &mut PlanRequest) {
        request.hosts.extend(self.hosts.iter().cloned());
        request.roles.extend(self.roles.iter().cloned());
    }
}

/// Whether hosts get another size.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ResizeArgs {
    /// Give hosts the declared size; each is off meanwhile
    #[arg(long)]
    resize: bool,
    /// Give them the disk of that size too, for good: a disk never becomes smaller again
    #[arg(long, requires = "resize")]
    grow_disk: bool,
}

impl ResizeArgs {
    pub(crate) fn mode(self) -> ResizeMode {
        match (self.resize, self.grow_disk) {
            (false, _) => ResizeMode::Never,
            (true, false) => ResizeMode::KeepDisk,
            (true, true) => ResizeMode::GrowDisk,
        }
    }
}

/// Confirmation of what cannot be undone.
#[derive(Debug, Args)]
pub(crate) struct ConfirmArgs {
    /// Confirm by the environment's name instead of being asked
    #[arg(long, value_name = "ENV")]
    pub(crate) confirm: Option<String>,
}

/// What is left of a run that fails.
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// If the run fails, write what happened to this new or empty directory, without secrets
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

impl InfraCommand {
    /// The directory for what is left of a run that fails.
    pub(crate) fn bundle(&self) -> Option<&Path> {
        let args = match self {
            Self::Up(args) => &args.bundle,
            Self::Bootstrap(args) => &args.bundle,
            Self::Down(args) => &args.bundle,
            Self::Prune(args) => &args.bundle,
            Self::Reap(args) => &args.bundle,
            Self::Replace(args) => &args.bundle,
            _ => return None,
        };
        args.bundle.as_deref()
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) resize: ResizeArgs,
    /// Read the hosts that exist too, and show what each step will or may change on them; a plan
    /// that is saved with it approves exactly these changes, one without it none
    #[arg(long = "hosts", id = "look")]
    pub(crate) look: bool,
    /// Show what `down` would delete
    #[arg(long, conflicts_with_all = ["prune", "resize", "look"])]
    pub(crate) destroy: bool,
    /// Show what `prune` would delete
    #[arg(long, conflicts_with_all = ["resize", "look"])]
    pub(crate) prune: bool,
    /// Save the plan to this file, for `up --plan`; one that deletes only for review
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 20 if the environment is not as declared; hosts that the file does not declare
    /// do not count
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Carry out exactly this saved plan without asking, or refuse it as stale
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hosts", "roles", "resize"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) resize: ResizeArgs,
    /// Skip the confirmation; a saved plan approves no more by it
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Only create hosts; do nothing on them
    #[arg(long)]
    pub(crate) no_bootstrap: bool,
    /// Go on although hosts differ from the file; they stay as they are
    #[arg(long)]
    pub(crate) allow_differ: bool,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BootstrapArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Skip the confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Only hosts that this run of `up` made: the 16 digits that it told
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    pub(crate) made_by: Option<String>,
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Go on although more than half of the environment's hosts would be deleted
    #[arg(long)]
    pub(crate) more_than_half: bool,
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReapArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

/// Hosts that must be named.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The hosts, as the file names them, apart or in a list with commas
    #[arg(required = true, value_name = "HOST", value_delimiter = ',')]
    pub(crate) hosts: Vec<HostName>,
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplaceArgs {
    /// The host, as the file names it
    #[arg(value_name = "HOST")]
    pub(crate) host: HostName,
    /// Only make the new host; do nothing on it
    #[arg(long)]
    pub(crate) no_bootstrap: bool,
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) bundle: BundleArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    /// Break the lease although its holder may be alive
    #[arg(long)]
    pub(crate) force: bool,
}

/// The id of a run, as `up` tells it.
fn run_id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an id of a run has 16 hexadecimal digits".to_owned())
    }
}
