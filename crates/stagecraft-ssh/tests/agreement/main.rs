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

use proptest::prelude::*;
use stagecraft_ssh::{ClientConfigFile, HostSettings};

use corpus::Fragment;
use openssh::World;
use view::View;

/// The share of fragments that must be understood as OpenSSH understands them.
const GOAL: f64 = 97.0;

fn ours(world: &World, path: &Path, fragment: &Fragment) -> Result<HostSettings, String> {
    let file = ClientConfigFile {
        path: path.to_path_buf(),
        home: world.home.clone(),
        fixed: Vec::new(),
    };
    let found = file.settings(&[fragment.host], &world.user, &world.variables);
    found.map_err(|error| error.to_string())
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
        let settings = ours(&world, &path, fragment);
        let ours = settings
            .as_ref()
            .map(|settings| View::of_settings(&world, settings, fragment.host))
            .map_err(Clone::clone);
        let Some(what) = view::difference(&ours, &theirs) else {
            continue;
        };
        // Nothing that OpenSSH would do is left out in silence.
        if let (Ok(settings), Ok(_)) = (settings, theirs) {
            let place = format!("{}:", path.display());
            let mut warnings = settings.warnings.iter();
            assert!(
                warnings.any(|warning| warning.starts_with(&place)),
                "{}: {what}",
                fragment.name
            );
        }
        found.push((fragment.name.clone(), what));
    }
    differences::check("ssh -G", fragments.len(), &found, GOAL);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn lines_beside_each_other_mean_what_they_mean_to_openssh(
        lines in prop::collection::vec(prop::sample::select(corpus::LINES), 0..16),
    ) {
        let world = World::new();
        let text = corpus::filled(&world, &(lines.join("\n") + "\n"));
        let fragment = Fragment { name: String::new(), text, host: corpus::HOST };
        let path = world.path("config");
        fs::write(&path, &fragment.text).unwrap();
        let settings = ours(&world, &path, &fragment);
        let view = settings.map(|settings| View::of_settings(&world, &settings, fragment.host));
        let theirs = View::of_openssh(&world, &path, fragment.host);
        let difference = view::difference(&view, &theirs);
        prop_assert_eq!(difference, None, "{}", fragment.text);
    }
}
