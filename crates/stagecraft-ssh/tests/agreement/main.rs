//! What we make of `ssh_config(5)` and of files of known hosts, compared with OpenSSH's own
//! `ssh -G` and `ssh-keygen -F`. Each disagreement stands in `differences.txt` with its reason.

#![expect(
    clippy::unwrap_used,
    reason = "what a test sets up may fail it; the lint knows only functions marked as tests"
)]

mod corpus;
mod differences;
mod known_hosts;
mod openssh;
mod view;

use std::fs;
use std::path::Path;

use stagecraft_ssh::ClientConfigFile;

use corpus::Fragment;
use openssh::World;
use view::View;

/// The share of fragments that must be understood as OpenSSH understands them.
const GOAL: f64 = 58.0;

fn ours(world: &World, path: &Path, fragment: &Fragment) -> Result<View, String> {
    let file = ClientConfigFile {
        path: path.to_path_buf(),
        home: world.home.clone(),
        fixed: Vec::new(),
    };
    let found = file.settings(&[fragment.host], &world.user, &world.variables);
    found
        .map(|settings| View::of_settings(world, &settings, fragment.host))
        .map_err(|error| error.to_string())
}

#[test]
fn ssh_config_is_understood_as_openssh_understands_it() {
    let world = World::new();
    let fragments = corpus::all(&world);
    assert!(fragments.len() >= 150, "{}", fragments.len());
    let mut found = Vec::new();
    for fragment in &fragments {
        let path = world.path("config");
        fs::write(&path, &fragment.text).unwrap();
        let theirs = View::of_openssh(&world, &path, fragment.host);
        let ours = ours(&world, &path, fragment);
        if let Some(what) = view::difference(&ours, &theirs) {
            found.push((fragment.name.clone(), what));
        }
    }
    differences::check("ssh -G", fragments.len(), &found, GOAL);
}
