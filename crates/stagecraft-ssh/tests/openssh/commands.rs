//! Commands and files through OpenSSH's own server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use stagecraft_core::{
    Connector as _, ErrorKind, Exit, OUTPUT_LIMIT, Remote, RemoteCommand, Retry, Run, Upload,
};

use stagecraft_ssh::{SshConfig, SshConnector};

use crate::support::{CONNECTION, Sshd, argv, proxy, script, until};

async fn connect(sshd: &Sshd) -> Arc<dyn Remote> {
    sshd.connector()
        .connect(&Run::default(), &sshd.target())
        .await
        .unwrap()
}

async fn connect_through(sshd: &Sshd, port: u16) -> Arc<dyn Remote> {
    let connector = SshConnector::new(SshConfig {
        port,
        ..sshd.config()
    });
    connector
        .connect(&Run::default(), &sshd.target())
        .await
        .unwrap()
}

fn upload(path: &std::path::Path, content: &str, mode: u32) -> Upload {
    Upload {
        path: path.display().to_string(),
        content: SecretString::from(content),
        mode,
        owner: None,
    }
}

#[tokio::test]
async fn arguments_arrive_as_they_were_given() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let words = [
        "printf", "%s|", "it's", "$HOME", "a  b", "", "ü\n€", "`id`", "\\",
    ];
    let output = host.exec(&Run::default(), &argv(&words)).await.unwrap();
    assert_eq!(output.stdout, "it's|$HOME|a  b||ü\n€|`id`|\\|");
    assert_eq!(output.exit, Exit::Code(0));
    assert_eq!(host.host_key(), sshd.host_key());
    assert_eq!(host.host().as_str(), "app-1");
}

#[tokio::test]
async fn script_runs_with_both_streams_apart_and_its_exit_code() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let command = script("echo out\necho err >&2\ncat\nprintf 'a\\377b'\nexit 7");
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert_eq!(output.exit, Exit::Code(7));
    assert_eq!(output.stdout, "out\na\u{fffd}b");
    assert_eq!(output.stderr, "err\n");
}

#[tokio::test]
async fn script_is_not_seen_in_the_process_list() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let command = script("secret=geheim-4711\ntr '\\0' ' ' </proc/$$/cmdline");
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert_eq!(output.stdout.trim(), "sh -s");
}

#[tokio::test]
async fn long_script_arrives_whole() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let command = script(&("x=$((x+1)) # ü\n".repeat(100_000) + "echo $x"));
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert_eq!(output.stdout, "100000\n");
}

#[tokio::test]
async fn signal_is_told_by_its_name() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let output = host.exec(&Run::default(), &script("kill -TERM $$")).await;
    assert_eq!(output.unwrap().exit, Exit::Signal("TERM".to_owned()));
}

#[tokio::test]
async fn large_output_is_capped_and_keeps_its_end() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let command = script("echo begin; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end");
    let output = host.exec(&Run::default(), &command).await.unwrap();
    assert_eq!(output.exit, Exit::Code(0));
    assert!(
        output.stdout.len() <= OUTPUT_LIMIT,
        "{}",
        output.stdout.len()
    );
    assert!(output.stdout.len() > OUTPUT_LIMIT - 1000);
    assert!(output.stdout.starts_with("begin\nxxx"));
    assert!(output.stdout.ends_with("xxx\nend\n"));
    assert!(output.stdout.contains(" bytes left out ...]"));
}

#[tokio::test]
async fn many_commands_share_one_connection() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let run = Run::default();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (host, run) = (host.clone(), run.clone());
        tasks.spawn(async move {
            let output = host
                .exec(&run, &script(&format!("sleep 0.1; echo {number}")))
                .await;
            output.unwrap().stdout.trim().parse::<u32>().unwrap()
        });
    }
    let mut numbers = tasks.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(sshd.count(CONNECTION), 1, "{}", sshd.log());
}

#[tokio::test]
async fn upload_writes_content_mode_and_leaves_nothing_else() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let directory = sshd.path("target dir");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("it's");
    // Twice: the second finds the first.
    for content in ["first", "sécrète\n'$x'\0\n"] {
        host.upload(&Run::default(), &upload(&path, content, 0o640))
            .await
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), content.as_bytes());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o640
        );
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[tokio::test]
async fn upload_removes_what_a_killed_one_of_the_same_file_has_left() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let directory = sshd.path("dir");
    fs::create_dir(&directory).unwrap();
    let stale = std::time::SystemTime::now() - Duration::from_mins(15);
    let link = directory.join(".file.stagecraft-Link00");
    std::os::unix::fs::symlink("kept", &link).unwrap();
    for (name, is_stale) in [
        (".file.stagecraft-Ab12cd", true),
        // Another upload may be at it.
        (".file.stagecraft-Young0", false),
        (".file.backup", true),
        (".other.stagecraft-Ab12cd", true),
        ("kept", true),
    ] {
        let file = fs::File::create(directory.join(name)).unwrap();
        if is_stale {
            file.set_modified(stale).unwrap();
        }
    }
    host.upload(
        &Run::default(),
        &upload(&directory.join("file"), "x", 0o600),
    )
    .await
    .unwrap();
    let mut names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".file.backup",
            ".file.stagecraft-Link00",
            ".file.stagecraft-Young0",
            ".other.stagecraft-Ab12cd",
            "file",
            "kept",
        ]
    );
}

#[tokio::test]
async fn large_upload_sets_the_owner() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let path = sshd.path("large");
    let content = "0123456789abcdef".repeat(300_000);
    let mut upload = upload(&path, &content, 0o600);
    upload.owner = Some(sshd.user.clone());
    host.upload(&Run::default(), &upload).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), content);
}

#[tokio::test]
async fn failed_upload_says_why_and_leaves_no_trace() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let missing = upload(&sshd.path("no/such/file"), "x", 0o600);
    let error = host.upload(&Run::default(), &missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandFailed);
    let chain = error.chain().join(": ");
    assert!(chain.contains("no/such does not exist"), "{chain}");

    let directory = sshd.path("dir");
    fs::create_dir(&directory).unwrap();
    let mut bad_owner = upload(&directory.join("file"), "x", 0o600);
    bad_owner.owner = Some("no-such-user".to_owned());
    let error = host.upload(&Run::default(), &bad_owner).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandFailed);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[tokio::test]
async fn overdue_command_is_given_up_and_the_connection_goes_on() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let run = Run::default();
    let command = RemoteCommand::script(
        "echo waiting; echo for godot >&2; exec sleep 6",
        Duration::from_secs(3),
    );
    let error = host.exec(&run, &command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "command on app-1 did not end within 3s");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(
        error.context(),
        [
            ("last output", "waiting".to_owned()),
            ("last error output", "for godot".to_owned())
        ]
    );
    let output = host.exec(&run, &argv(&["echo", "next"])).await.unwrap();
    assert_eq!(output.stdout, "next\n");
}

#[tokio::test]
async fn cancelled_run_leaves_its_command_at_once() {
    let sshd = Sshd::start().await;
    let host = connect(&sshd).await;
    let run = Run::default();
    let begun = sshd.path("begun");
    let command = script(&format!("touch {}; exec sleep 5", begun.display()));
    let cancel = async {
        until("the command to begin", || begun.exists()).await;
        run.cancellation().cancel();
        Instant::now()
    };
    let (result, cancelled) = tokio::join!(host.exec(&run, &command), cancel);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(cancelled.elapsed() < Duration::from_secs(3));
    let error = host.exec(&run, &argv(&["true"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn dropped_commands_do_not_use_up_the_sessions() {
    let sshd = Sshd::start_with("MaxSessions 3").await;
    let host = connect(&sshd).await;
    let run = Run::default();
    let begun = sshd.path("begun");
    // Ends as soon as its output goes nowhere.
    let text = format!(
        "touch {}; while sleep 0.05; do echo .; done",
        begun.display()
    );
    let command = script(&text);
    for _ in 0..6 {
        tokio::select! {
            result = host.exec(&run, &command) => panic!("ended: {result:?}"),
            () = until("the command to begin", || begun.exists()) => {}
        }
        fs::remove_file(&begun).unwrap();
    }
    let output = host.exec(&run, &argv(&["echo", "still"])).await.unwrap();
    assert_eq!(output.stdout, "still\n");
}

#[tokio::test]
async fn more_commands_than_the_host_has_sessions_wait_for_their_turn() {
    let sshd = Sshd::start_with("MaxSessions 2").await;
    let host = connect(&sshd).await;
    let run = Run::default();
    let command = script("sleep 0.1");
    let (a, b, c, d) = tokio::join!(
        host.exec(&run, &command),
        host.exec(&run, &command),
        host.exec(&run, &command),
        host.exec(&run, &command),
    );
    for output in [a, b, c, d] {
        assert!(output.unwrap().is_success());
    }
}

#[tokio::test]
async fn closed_connection_runs_nothing_more() {
    let sshd = Sshd::start().await;
    let (port, line) = proxy(sshd.port).await;
    let host = connect_through(&sshd, port).await;
    host.close().await;
    host.close().await;
    let command = argv(&["true"]);
    let error = host.exec(&Run::default(), &command).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "connection to app-1 is closed");
    until("both ends to close", || line.is_finished()).await;
}

#[tokio::test]
async fn dropped_connection_is_closed() {
    let sshd = Sshd::start().await;
    let (port, line) = proxy(sshd.port).await;
    drop(connect_through(&sshd, port).await);
    until("both ends to close", || line.is_finished()).await;
}
