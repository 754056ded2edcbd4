//! What start-up files of a login shell do to commands: nothing, or it is named.

use std::fs;
use std::sync::Arc;

use stagecraft_core::{Connector as _, ErrorKind, Exit, Remote, Run, Upload};

use crate::support::{Sshd, argv, script};

/// The server, with this `.bashrc` in the home of the user who logs in.
async fn with_bashrc(text: &str, settings: &str) -> (Sshd, Arc<dyn Remote>) {
    let sshd = Sshd::start_with(settings).await;
    fs::write(sshd.path(".bashrc"), text).unwrap();
    let connector = sshd.connector();
    let host = connector.connect(&Run::default(), &sshd.target()).await;
    (sshd, host.unwrap())
}

#[tokio::test]
async fn start_up_files_that_print_set_options_or_variables_change_nothing() {
    for bashrc in [
        "echo welcome; echo careful >&2",
        "set -u",
        "set -e; false || true",
        "set -x",
        "set -v",
        "set -o noglob -o noclobber",
        "umask 077",
        "export LANGUAGE=de_DE:de LANG=de_DE.UTF-8 POSIXLY_CORRECT=1 TMPDIR=/nowhere",
        "export DOCKER_HOST=tcp://192.0.2.1:2375 APT_CONFIG=/nowhere GREP_OPTIONS=-v",
        "export PATH=/nowhere",
        "alias ls=false; cd /; unset HOME",
        "printf 'no line end'",
    ] {
        let (_sshd, host) = with_bashrc(bashrc, "").await;
        let run = Run::default();
        let shown = "echo out; echo err >&2; umask; id -un; ls -d /etc";
        let output = host.exec(&run, &script(shown)).await.unwrap();
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert_eq!(lines[..2], ["out", "0022"], "{bashrc}: {output:?}");
        assert_eq!(lines[3], "/etc", "{bashrc}: {output:?}");
        assert_eq!(output.stderr, "err\n", "{bashrc}");
        assert_eq!(output.exit, Exit::Code(0), "{bashrc}");
        let variables = host.exec(&run, &argv(&["env"])).await.unwrap().stdout;
        for name in [
            "LANGUAGE",
            "POSIXLY_CORRECT",
            "TMPDIR",
            "DOCKER_HOST",
            "APT_CONFIG",
        ] {
            assert!(!variables.contains(name), "{bashrc}: {variables}");
        }
        assert!(variables.contains("LC_ALL=C\n"), "{variables}");
    }
}

#[tokio::test]
async fn proxies_of_the_host_stay_for_downloads() {
    let proxies = "export https_proxy='http://user:p w@192.0.2.1:3128' NO_PROXY=localhost";
    let (_sshd, host) = with_bashrc(proxies, "").await;
    let shown = script("echo \"$https_proxy|$NO_PROXY|${http_proxy-unset}\"");
    let output = host.exec(&Run::default(), &shown).await.unwrap();
    assert_eq!(
        output.stdout,
        "http://user:p w@192.0.2.1:3128|localhost|unset\n"
    );
}

#[tokio::test]
async fn start_up_file_that_reads_the_input_is_named_and_nothing_of_it_runs() {
    for bashrc in ["read -r x", "cat >/dev/null", "read -r x; read -r y"] {
        let (sshd, host) = with_bashrc(bashrc, "").await;
        let mark = sshd.path("mark");
        let run = Run::default();
        let touch = format!("echo first\ntouch {}\n", mark.display());
        let refused = host.exec(&run, &script(&touch)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Rejected, "{refused}");
        assert!(refused.to_string().contains("read the input"), "{refused}");
        assert!(refused.hint().is_some_and(|hint| hint.contains(".bashrc")));
        let upload = Upload {
            path: mark.display().to_string(),
            content: format!("touch {}\n", mark.display()).into(),
            mode: 0o600,
            owner: None,
        };
        host.upload(&run, &upload).await.unwrap_err();
        assert!(!mark.exists(), "{bashrc}");
    }
}

#[tokio::test]
async fn other_program_than_sh_runs_nothing_of_a_script_and_is_named() {
    let before = "echo stopped >&2; exit 3";
    for bashrc in [
        "exec sh",
        "exec bash --norc",
        "exec zsh -f",
        "exec fish --no-config",
        "exec true",
        "exec false",
        before,
        "exec cat",
    ] {
        let (sshd, host) = with_bashrc(bashrc, "").await;
        let mark = sshd.path("mark");
        let run = Run::default();
        let touch = format!("touch {}\n", mark.display());
        for command in [
            script(&touch),
            argv(&["touch", &mark.display().to_string()]),
        ] {
            let refused = host.exec(&run, &command).await.unwrap_err();
            let kind = if bashrc == "exec cat" {
                // It answers with words of its own.
                ErrorKind::Protocol
            } else {
                ErrorKind::Rejected
            };
            assert_eq!(refused.kind(), kind, "{bashrc}: {refused}");
            assert!(!mark.exists(), "{bashrc}");
        }
    }
}
