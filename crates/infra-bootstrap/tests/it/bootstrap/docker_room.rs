//! Hosts without room for files.

use infra_bootstrap::DockerConfig;
use stagecraft_core::Advice;

use super::docker::{apply, changed, failure, outcome};
use super::support::Machine;

#[tokio::test]
async fn full_run_stops_nothing_while_there_is_room_elsewhere() {
    // No file can be made in it, or nothing be written to those that can.
    for (tool, text) in [
        (
            "mktemp",
            "case \"$*\" in *ROOT/run/*) exit 1 ;; esac\nexec /usr/bin/mktemp \"$@\"",
        ),
        (
            "head",
            "for full in ROOT/run/stagecraft-work.*; do [ ! -d \"$full\" ] || exit 1; done\n\
             exec /usr/bin/head \"$@\"",
        ),
    ] {
        let machine = Machine::new();
        machine.program(tool, text);
        machine.write("state/apt-install", "E: broken\n");
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(failure(&report).evidence[0], "E: broken", "{tool}");
        let report = apply(&machine, DockerConfig::default()).await;
        assert_eq!(outcome(&report), &changed("install the latest docker"));
        for place in ["run", "tmp", "var/tmp", "dev/shm"] {
            let names = std::fs::read_dir(machine.path(place)).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let left: Vec<_> = names.filter(|name| name.contains("stagecraft-")).collect();
            assert_eq!(left, [""; 0], "{tool} {place}");
        }
    }
}

#[tokio::test]
async fn no_room_for_temporary_files_is_told_with_each_full_file_system() {
    let machine = Machine::new();
    machine.program("head", "exit 1");
    machine.program(
        "df",
        "case \"$1 $2\" in
  '-iP ROOT/run/') echo 'tmpfs 1024 1024 0 100% /run' ;;
  '-kP ROOT/tmp/' | '-kP ROOT/var/tmp/') echo '/dev/vda1 8192 8180 12 100% /' ;;
esac",
    );
    let report = apply(&machine, DockerConfig::default()).await;
    let shm = machine.path("dev/shm");
    assert_eq!(
        failure(&report).message,
        format!(
            "docker could not be installed: there is no room for temporary files: \
             the file system of /run can hold no more files (0 of 1024 are free), \
             the file system of / is full (12 of 8192 KiB are free), \
             {} cannot be written to",
            shm.display()
        )
    );
    assert_eq!(failure(&report).advice, Advice::ChangeFirst);
    assert!(!machine.calls().contains("apt-get"), "{}", machine.calls());
}

#[tokio::test]
async fn full_file_system_is_told_by_what_it_lacks() {
    let inodes = "case \"$1 $2\" in
  '-iP ROOT/var') echo '/dev/vda2 65536 65536 0 100% /var' ;;
  '-hP /') echo '/dev/vda1 25G 12G 13G 48% /' ;;
esac";
    let tmp = "case \"$1 $2\" in -kP\\ ROOT/tmp*) echo 'tmpfs 1024 1024 0 100% /tmp' ;; esac";
    let packages = "E: Write error - write (28: No space left on device)\n";
    let curl = "curl: (23) Failure writing output to destination\n";
    for (df, file, text, words) in [
        (
            inodes,
            "state/apt-install",
            packages,
            "the file system of /var can hold no more files (0 of 65536 are free): these packages ",
        ),
        (
            tmp,
            "state/unwritable",
            curl,
            "the file system of /tmp is full (0 of 1024 KiB are free): the key of the packages ",
        ),
    ] {
        let machine = Machine::new();
        machine.program("df", &df.replace("ROOT/var'", "/var'"));
        machine.write(file, text);
        let report = apply(&machine, DockerConfig::default()).await;
        let failure = failure(&report);
        let start = format!("docker could not be installed: {words}");
        assert!(failure.message.starts_with(&start), "{failure:?}");
        assert_eq!(failure.advice, Advice::ChangeFirst);
    }
}
