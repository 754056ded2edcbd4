//! Files of known host keys, compared with what OpenSSH's own program makes of them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use stagecraft_core::{ErrorKind, Run};
use stagecraft_ssh::known_hosts::{KnownHosts, PublicKeyLine, name_of, update, update_all};

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINeGUKSIzVoC/HDNcmgcvAxksrVi2kh6EsS4b76qHpwG";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAC8AvVXrlW5aSX4870ymDx5Qv92EN2pNrX38B9XA19C";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGloyNyIclj7B1i/4sGdTMct8O/Wo5LN3qDFqo/LZSHwZQcn9SDd6Vi+EyvJZPQHnm/clPmV+Ens/niUq1q8GC8=";

fn key(text: &str) -> PublicKeyLine {
    text.parse().expect("a public key")
}

/// The numbers of the lines that match, by our reader and by `ssh-keygen -F`.
fn both(path: &Path, host: &str, port: u16) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let known = KnownHosts::load(path).expect("a file that can be read");
    let ours = known.lookup(host, port);
    let output = Command::new("ssh-keygen")
        .args(["-l", "-F", &name_of(host, port), "-f"])
        .arg(path)
        .output()
        .expect("ssh-keygen, from Debian's openssh-client");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let theirs = text.lines().filter_map(|line| {
        let (_, number) = line.strip_prefix("# Host ")?.split_once(" found: line ")?;
        let mut words = number.split_whitespace();
        let number = words.next()?.parse().ok()?;
        // Ours are left out on purpose.
        (words.next() != Some("CA")).then_some(number)
    });
    let theirs = theirs.collect();
    (ours.iter().map(|known| known.line).collect(), theirs)
}

#[test]
fn lines_mean_what_they_mean_to_openssh() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    let text = format!(
        "# a comment\n\
         \n\
         \t  plain.example   {ED25519}   root@plain # more\n\
         a.example,b.example,192.0.2.7\t{OTHER}\n\
         [c.example]:2222 {ED25519}\n\
         *.wild.example,!not.wild.example {ED25519}\n\
         app-?.example {ECDSA}\n\
         @revoked bad.example,*.wild.example {OTHER}\n\
         @cert-authority *.example {ED25519}\n\
         broken.example ssh-ed25519 AAAA\n\
         broken.example\n\
         broken.example ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAINeGUKSIzVoC/HDNcmgcvAxksrVi2kh6EsS4b76qHpwG\n\
         @nonsense plain.example {ED25519}\n\
         @revoked @revoked plain.example {ED25519}\n\
         UPPER.example {ED25519}\n\
         last.example {ED25519}"
    );
    fs::write(&path, &text).unwrap();
    let table: &[(&str, u16, &[usize])] = &[
        ("plain.example", 22, &[3]),
        ("plain.example", 2222, &[]),
        ("a.example", 22, &[4]),
        ("192.0.2.7", 22, &[4]),
        ("c.example", 22, &[]),
        ("c.example", 2222, &[5]),
        ("x.wild.example", 22, &[6, 8]),
        ("not.wild.example", 22, &[8]),
        ("app-1.example", 22, &[7]),
        ("app-10.example", 22, &[]),
        ("bad.example", 22, &[8]),
        ("broken.example", 22, &[]),
        ("upper.example", 22, &[15]),
        ("last.example", 22, &[16]),
        ("stranger", 22, &[]),
    ];
    for (host, port, expected) in table {
        let (ours, theirs) = both(&path, host, *port);
        assert_eq!(ours, expected.iter().copied().collect(), "{host}:{port}");
        assert_eq!(ours, theirs, "{host}:{port}");
    }
    let known = KnownHosts::load(&path).unwrap();
    assert_eq!(known.bad_lines(), 5);
    let revoked = known.lookup("bad.example", 22);
    assert!(revoked[0].is_revoked);
    assert_eq!(revoked[0].key, key(OTHER));
    assert!(!known.lookup("Plain.Example", 22)[0].is_revoked);
}

#[test]
fn hashed_names_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    fs::write(
        &path,
        format!("a.example,192.0.2.7 {ED25519}\n[b.example]:2222 {OTHER}\n"),
    )
    .unwrap();
    let status = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&path)
        .output()
        .expect("ssh-keygen, from Debian's openssh-client")
        .status;
    assert!(status.success());
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("example"), "{text}");
    for (host, port, number) in [
        ("a.example", 22, 1),
        ("192.0.2.7", 22, 1),
        ("b.example", 2222, 1),
    ] {
        let (ours, theirs) = both(&path, host, port);
        assert_eq!(ours, theirs, "{text}");
        assert_eq!(ours.len(), number, "{host} {text}");
    }
    assert_eq!(KnownHosts::load(&path).unwrap().lookup("c.example", 22), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_files_mean_what_they_mean_to_openssh(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec!["", "", "", "", " ", "\t", "#", "@revoked ", "@cert-authority\t", "@x ", "@"]),
                prop::collection::vec(
                    prop::sample::select(vec![
                        "h.example", "*", "?.example", "!h.example", "!*", "*.example", "[h.example]:2222",
                        "[*]:*", "[*]:22", "other", "", "h.example*", "**e", "|1|", "|1|AAAA|AAAA", "h.*.example",
                    ]),
                    1..4,
                ),
                prop::sample::select(vec![" ", "  ", "\t ", "", " # "]),
                prop::sample::select(vec![
                    ED25519, OTHER, ECDSA, "", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!!", "none AAAA",
                ]),
                prop::sample::select(vec!["", " comment", "\t", " # x", "\r"]),
            ),
            0..12,
        ),
        port in prop::sample::select(vec![22_u16, 2222]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known_hosts");
        let text: String = lines
            .iter()
            .map(|(start, hosts, blank, key, end)| {
                [start, hosts.join(",").as_str(), blank, key, end, "\n"].concat()
            })
            .collect();
        fs::write(&path, &text).unwrap();
        let (ours, theirs) = both(&path, "h.example", port);
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn hostile_bytes_never_stop_the_reader(content in prop::collection::vec(any::<u8>(), 0..2000)) {
        let known = KnownHosts::parse(&content);
        known.lookup("h.example", 22);
    }

    #[test]
    fn hostile_lines_do_not_spoil_their_neighbours(
        hostile in "[@#|!*?, \t\r\\[\\]:0-9a-zA-Z/+=\u{e9}\0-]{0,200}",
        marker in prop::sample::select(vec!["", "@revoked ", "|1|", "@cert-authority "]),
    ) {
        let text = format!("first {ED25519}\n{marker}{hostile}\nlast {OTHER}\n");
        let known = KnownHosts::parse(text.as_bytes());
        let first = known.lookup("first", 22);
        prop_assert!(first.iter().any(|known| known.key == key(ED25519) && known.line == 1));
        let last = known.lookup("last", 22);
        prop_assert!(last.iter().any(|known| known.key == key(OTHER) && known.line == 3));
    }
}

#[test]
fn many_stars_take_no_time() {
    let pattern = "*a".repeat(500);
    let text = format!("{pattern}b {ED25519}\n");
    let known = KnownHosts::parse(text.as_bytes());
    let started = std::time::Instant::now();
    assert_eq!(known.lookup(&"a".repeat(5000), 22), []);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn file_that_cannot_be_read_is_not_an_empty_one() {
    let directory = tempfile::tempdir().unwrap();
    let missing = KnownHosts::load(&directory.path().join("none")).unwrap();
    assert_eq!(missing.lookup("a", 22), []);
    let error = KnownHosts::load(directory.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let huge = directory.path().join("huge");
    let file = fs::File::create(&huge).unwrap();
    file.set_len(9 * 1024 * 1024).unwrap();
    let error = KnownHosts::load(&huge).unwrap_err();
    let told = error.chain().join(": ");
    assert!(told.contains("has more than"), "{told}");
    // A device gives as much as one takes.
    KnownHosts::load(Path::new("/dev/zero")).unwrap_err();
}

#[tokio::test]
async fn update_replaces_one_name_and_leaves_all_else() {
    let run = Run::default();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/known_hosts");
    update(&run, &path, "app-1", Some(&key(ED25519)))
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("app-1 {ED25519}\n")
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let others = format!(
        "# mine\n\napp-1,app-2  {ED25519} note\n*.example {ED25519}\n@revoked app-1 {OTHER}\nbad line\napp-1 {ECDSA}"
    );
    fs::write(&path, &others).unwrap();
    update(&run, &path, "APP-1", Some(&key(OTHER)))
        .await
        .unwrap();
    let changed = format!(
        "# mine\n\napp-2 {ED25519} note\n*.example {ED25519}\n@revoked app-1 {OTHER}\nbad line\napp-1 {OTHER}\n"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);

    let before = fs::metadata(&path).unwrap().modified().unwrap();
    update(&run, &path, "app-1", Some(&key(OTHER)))
        .await
        .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);

    update_all(
        &run,
        &path,
        [("app-1", None), ("app-2", None), ("app-9", None)],
    )
    .await
    .unwrap();
    let rest = format!("# mine\n\n*.example {ED25519}\n@revoked app-1 {OTHER}\nbad line\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), rest);
}

#[tokio::test]
async fn hashed_names_are_replaced_and_links_stay_links() {
    let run = Run::default();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    fs::write(&path, format!("app-1 {ED25519}\n")).unwrap();
    let output = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&path)
        .output();
    assert!(output.unwrap().status.success());
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    update(&run, &link, "app-1", Some(&key(OTHER)))
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("app-1 {OTHER}\n")
    );
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_writers_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let path = path.clone();
        tasks.spawn(async move {
            let key = key(if number % 2 == 0 { ED25519 } else { OTHER });
            update(&Run::default(), &path, &format!("app-{number}"), Some(&key)).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let known = KnownHosts::load(&path).unwrap();
    for number in 0..40 {
        assert_eq!(
            known.lookup(&format!("app-{number}"), 22).len(),
            1,
            "{number}"
        );
    }
}

#[tokio::test]
async fn writer_that_is_waited_for_can_be_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    let lock = fs::File::create(directory.path().join("known_hosts.lock")).unwrap();
    lock.lock().unwrap();
    let run = Run::default();
    let key = key(ED25519);
    let (written, ()) = tokio::join!(update(&run, &path, "app-1", Some(&key)), async {
        run.cancellation().cancel();
    });
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!path.exists());
}

#[tokio::test]
async fn names_that_would_mean_others_are_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known_hosts");
    let run = Run::default();
    for name in [
        "", "a b", "a,b", "*", "!a", "a?", "|1|x", "@revoked", "#a", "a\nb", "ä",
    ] {
        let error = update(&run, &path, name, Some(&key(ED25519)))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
    }
    assert!(!path.exists());
}

#[test]
fn keys_are_read_in_both_forms() {
    let parsed = key(&format!("{ED25519} root@somewhere"));
    assert_eq!(parsed.kind(), "ssh-ed25519");
    assert_eq!(parsed.to_string(), ED25519);
    assert_eq!(PublicKeyLine::of_wire(parsed.wire()).unwrap(), parsed);
    for text in [
        "",
        "ssh-ed25519",
        "ssh-rsa AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5",
    ] {
        let error = text.parse::<PublicKeyLine>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
    }
    assert!(PublicKeyLine::of_wire([0, 0, 0, 9, 1]).is_err());
}
