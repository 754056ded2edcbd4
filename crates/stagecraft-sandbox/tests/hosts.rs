//! Logins and commands on process hosts.

#![allow(
    clippy::unwrap_used,
    reason = "what fails in a test is told by its place"
)]

mod hosts_support;

use std::sync::Arc;
use std::time::Duration;

use hosts_support::{
    boot, eventually, hosts, key, login, password_is_accepted, process_exists, request, try_login,
};
use ssh_key::{LineEnding, PublicKey};
use stagecraft_sandbox::{HostDriver as _, ProcessHosts, ProcessHostsConfig, SshFault};
use tokio::task::JoinSet;

#[tokio::test]
async fn the_authorized_key_logs_in_as_root() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    assert_eq!(login.ok("id -u; hostname; pwd").await, "0\nweb-1\n/root\n");
}

#[tokio::test]
async fn other_keys_users_and_passwords_are_refused() {
    let (hosts, address) = boot().await;
    assert!(
        try_login(&hosts, address, "root", key(2))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        try_login(&hosts, address, "admin", key(1))
            .await
            .unwrap()
            .is_none()
    );
    assert!(!password_is_accepted(&hosts, address).await);
}

#[tokio::test]
async fn output_errors_and_status_arrive_apart() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let answer = login.exec("echo out; echo err >&2; exit 7", b"").await;
    assert_eq!((answer.text(), answer.errors()), ("out\n", "err\n"));
    assert_eq!(answer.status, Some(7));
    assert_eq!(answer.order, ["data", "eof", "exit-status", "close"]);
}

#[tokio::test]
async fn a_signal_is_reported_as_such() {
    let (hosts, address) = boot().await;
    let answer = login(&hosts, address).await.exec("kill -9 $$", b"").await;
    assert_eq!(answer.status, None);
    assert_eq!(answer.signal.as_deref(), Some("KILL"));
}

#[tokio::test]
async fn the_environment_is_that_of_a_login() {
    let (hosts, address) = boot().await;
    let printed = login(&hosts, address).await.ok("env | sort").await;
    assert_eq!(
        printed,
        "HOME=/root\nLANG=C.UTF-8\nLOGNAME=root\n\
         PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/root\n\
         SHELL=/bin/sh\nUSER=root\n"
    );
}

#[tokio::test]
async fn megabytes_pass_in_both_directions_at_once() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let input: Vec<u8> = (0..12_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let answer = login.exec("cat", &input).await;
    assert_eq!(answer.status, Some(0));
    assert!(
        answer.stdout == input,
        "{} bytes came back",
        answer.stdout.len()
    );
}

#[tokio::test]
async fn a_command_that_reads_nothing_does_not_hold_up_the_connection() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let input = vec![b'x'; 12_000_000];
    let (answer, other) = tokio::join!(
        login.exec("while [ ! -e /tmp/go ]; do sleep 0.02; done; wc -c", &input),
        login.ok("touch /tmp/go; echo done"),
    );
    assert_eq!(other, "done\n");
    assert_eq!(answer.text().trim(), "12000000");
}

#[tokio::test]
async fn output_that_nobody_reads_does_not_hold_up_other_channels() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let unread = login.channel().await.unwrap();
    unread
        .exec(true, "head -c 50000000 /dev/zero")
        .await
        .unwrap();
    assert_eq!(login.ok("echo here").await, "here\n");
}

#[tokio::test]
async fn ten_channels_run_side_by_side_and_the_eleventh_is_refused() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let mut channels = Vec::new();
    for _ in 0..10 {
        channels.push(login.channel().await.unwrap());
    }
    assert!(login.channel().await.is_err());
    channels.pop().unwrap().close().await.unwrap();
    eventually("a place for a channel", || async {
        login.channel().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn forwarding_is_refused() {
    let (hosts, address) = boot().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(login(&hosts, address).await.forward(port).await.is_err());
}

#[tokio::test]
async fn a_shell_reads_its_commands_from_the_channel() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let channel = login.channel().await.unwrap();
    channel.request_shell(true).await.unwrap();
    let (mut incoming, outgoing) = channel.split();
    outgoing
        .data(&b"touch /tmp/shell\nexit 3\n"[..])
        .await
        .unwrap();
    let mut status = None;
    while let Some(message) = incoming.wait().await {
        if let russh::ChannelMsg::ExitStatus { exit_status } = message {
            status = Some(exit_status);
        }
    }
    assert_eq!(status, Some(3));
    assert_eq!(login.ok("ls /tmp/shell").await, "/tmp/shell\n");
}

#[tokio::test]
async fn a_closed_channel_ends_the_input_of_its_command() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let channel = login.channel().await.unwrap();
    channel
        .exec(true, "cat >/dev/null; touch /tmp/ended")
        .await
        .unwrap();
    channel.close().await.unwrap();
    eventually("the command's input to end", || async {
        hosts.run(1, "test -e /tmp/ended").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_ends_the_output_of_its_commands() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    let channel = login.channel().await.unwrap();
    let command = "trap '' PIPE; while echo tick; do sleep 0.02; done; touch /tmp/lost";
    channel.exec(true, command).await.unwrap();
    drop((channel, login));
    eventually("the command to find its output closed", || async {
        hosts.run(1, "test -e /tmp/lost").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn the_host_key_of_user_data_is_served() {
    let hosts = hosts().await;
    let private = key(9)
        .to_openssh(LineEnding::LF)
        .unwrap()
        .replace('\n', "\n    ");
    let public = key(9).public_key().to_openssh().unwrap();
    let mut request = request(1, "web-1");
    request.user_data = Some(format!(
        "#cloud-config\nssh_keys:\n  ed25519_private: |\n    {private}\n  ed25519_public: {public} x\n\
         write_files:\n- path: /etc/some/file\n  content: it's here\n  permissions: '0600'\n"
    ));
    let address = hosts.boot(request).await.unwrap();
    let login = login(&hosts, address).await;
    assert_eq!(login.host_key.key_data(), key(9).public_key().key_data());
    assert_eq!(
        login
            .ok("cat /etc/ssh/ssh_host_ed25519_key.pub; stat -c %a /etc/ssh/ssh_host_ed25519_key")
            .await,
        format!("{public} x\n600\n")
    );
    assert_eq!(
        login
            .ok("cat /etc/some/file; stat -c ' %a' /etc/some/file")
            .await,
        "it's here 600\n"
    );
}

#[tokio::test]
async fn hosts_without_user_data_have_keys_of_their_own() {
    let hosts = hosts().await;
    let first = hosts.boot(request(1, "web-1")).await.unwrap();
    let second = hosts.boot(request(2, "web-2")).await.unwrap();
    assert_ne!(first, second);
    let (first, second) = (login(&hosts, first).await, login(&hosts, second).await);
    assert_ne!(first.host_key, second.host_key);
    let written = first.ok("cat /etc/ssh/ssh_host_ed25519_key.pub").await;
    assert_eq!(
        PublicKey::from_openssh(&written).unwrap().key_data(),
        first.host_key.key_data()
    );
}

#[tokio::test]
async fn a_new_host_key_is_served_after_the_reload() {
    let (hosts, address) = boot().await;
    let first = login(&hosts, address).await;
    let private = key(5).to_openssh(LineEnding::LF).unwrap();
    let write = "umask 077; cat >/etc/ssh/ssh_host_ed25519_key";
    assert_eq!(first.exec(write, private.as_bytes()).await.status, Some(0));
    assert_eq!(login(&hosts, address).await.host_key, first.host_key);
    first.ok("sshd -t && systemctl reload ssh").await;
    let key_data = login(&hosts, address).await.host_key.key_data().clone();
    assert_eq!(&key_data, key(5).public_key().key_data());
}

#[tokio::test]
async fn a_broken_host_key_is_found_by_the_check_and_never_served() {
    let (hosts, address) = boot().await;
    let first = login(&hosts, address).await;
    first.ok("echo broken >/etc/ssh/ssh_host_ed25519_key").await;
    assert_eq!(first.exec("sshd -t", b"").await.status, Some(1));
    assert_eq!(
        first.exec("systemctl reload ssh", b"").await.status,
        Some(1)
    );
    assert_eq!(login(&hosts, address).await.host_key, first.host_key);
}

#[tokio::test]
async fn faults_come_and_go() {
    let (hosts, address) = boot().await;
    let before = login(&hosts, address).await.host_key;

    hosts.set_ssh_fault("web-1", SshFault::Refuse).await;
    let target = (address, hosts.ssh_port());
    let refused = tokio::net::TcpStream::connect(target).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    hosts.set_ssh_fault("web-1", SshFault::Silent).await;
    let silent = tokio::net::TcpStream::connect(target).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(100), silent.readable()).await;
    assert!(heard.is_err(), "nothing is said");

    hosts.set_ssh_fault("web-1", SshFault::Hangup).await;
    assert!(try_login(&hosts, address, "root", key(1)).await.is_err());

    hosts.set_ssh_fault("web-1", SshFault::ChangedHostKey).await;
    let changed = login(&hosts, address).await.host_key;
    assert_ne!(changed, before);
    assert_eq!(login(&hosts, address).await.host_key, changed);

    hosts.set_ssh_fault("web-1", SshFault::None).await;
    assert_eq!(login(&hosts, address).await.host_key, before);
}

#[tokio::test]
async fn a_fault_of_another_name_changes_nothing() {
    let (hosts, address) = boot().await;
    hosts.set_ssh_fault("web-2", SshFault::Refuse).await;
    login(&hosts, address).await;
    let second = hosts.boot(request(2, "web-2")).await.unwrap();
    assert!(try_login(&hosts, second, "root", key(1)).await.is_err());
}

#[tokio::test]
async fn first_boot_goes_on_for_a_while_after_ssh_answers() {
    let config = ProcessHostsConfig::default().first_boot(Duration::from_millis(1500));
    let hosts = ProcessHosts::new(config).await.unwrap();
    let address = hosts.boot(request(1, "web-1")).await.unwrap();
    let login = login(&hosts, address).await;
    let early = login
        .exec(
            "ls /run/cloud-init /var/lib/cloud/instance; cloud-init status; apt-get install -y jq",
            b"",
        )
        .await;
    assert!(!early.text().contains("result.json"), "{early:?}");
    assert!(!early.text().contains("boot-finished"), "{early:?}");
    assert!(early.text().contains("status: running"), "{early:?}");
    assert_eq!(early.status, Some(100));
    let lock =
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 512 (apt-get)";
    assert!(early.errors().contains(lock), "{early:?}");

    // Real apt waits for this lock, and so do we.
    login
        .ok("apt-get -o DPkg::Lock::Timeout=60 install -y jq")
        .await;
    assert_eq!(
        login
            .ok("cloud-init status --wait; cat /run/cloud-init/result.json")
            .await,
        "status: done\n{\"v1\": {\"datasource\": \"DataSourceDigitalOcean\", \"errors\": []}}\n"
    );
    eventually("boot-finished", || async {
        hosts
            .run(1, "test -e /var/lib/cloud/instance/boot-finished")
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn images_tell_their_release() {
    let hosts = hosts().await;
    for (id, image, codename) in [
        (1, "ubuntu-22-04-x64", "ubuntu 22.04 jammy jammy"),
        (2, "ubuntu-24-04-x64", "ubuntu 24.04 noble noble"),
        (3, "debian-12-x64", "debian 12 bookworm "),
        (4, "debian-13-x64", "debian 13 trixie "),
    ] {
        let mut request = request(id, "web-1");
        request.image = image.to_owned();
        hosts.boot(request).await.unwrap();
        let script =
            ". /etc/os-release; echo \"$ID $VERSION_ID $VERSION_CODENAME $UBUNTU_CODENAME\"";
        assert_eq!(
            hosts.run(id, script).await.unwrap(),
            format!("{codename}\n")
        );
    }
}

#[tokio::test]
async fn a_destroyed_host_is_gone_with_everything_in_it() {
    let (hosts, address) = boot().await;
    let login = login(&hosts, address).await;
    login
        .ok("sleep 86401.25 >/dev/null 2>&1 </dev/null &")
        .await;
    eventually("the process to start", || async {
        process_exists("sleep 86401.25")
    })
    .await;

    hosts.destroy(1).await;

    assert!(!process_exists("sleep 86401.25"));
    eventually("the connection to end", || async { login.is_closed() }).await;
    let gone = tokio::net::TcpStream::connect((address, hosts.ssh_port())).await;
    assert_eq!(
        gone.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert!(hosts.run(1, "true").await.is_err());
    hosts.destroy(1).await;
    hosts.boot(request(1, "web-1")).await.unwrap();
}

#[tokio::test]
async fn a_host_that_resists_is_destroyed_all_the_same() {
    let (hosts, _) = boot().await;
    let script = "sleep 86402.25 >/dev/null 2>&1 </dev/null &";
    hosts.run(1, script).await.unwrap();
    eventually("the process to start", || async {
        process_exists("sleep 86402.25")
    })
    .await;
    // This stops the watcher of the lifeline too.
    hosts.run(1, "kill -STOP -1").await.unwrap();
    hosts.destroy(1).await;
    assert!(!process_exists("sleep 86402.25"));
}

#[tokio::test]
async fn dropped_hosts_end() {
    let (hosts, _) = boot().await;
    let script = "sleep 86403.25 >/dev/null 2>&1 </dev/null &";
    hosts.run(1, script).await.unwrap();
    eventually("the process to start", || async {
        process_exists("sleep 86403.25")
    })
    .await;
    drop(hosts);
    eventually("the host to end", || async {
        !process_exists("sleep 86403.25")
    })
    .await;
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let (hosts, _) = boot().await;
    let again = hosts.boot(request(1, "web-1")).await.unwrap_err();
    assert_eq!(again.to_string(), "there is a host 1 already");
}

#[tokio::test]
async fn many_hosts_boot_side_by_side() {
    let hosts = Arc::new(hosts().await);
    let mut boots = JoinSet::new();
    for id in 1..=8 {
        let hosts = Arc::clone(&hosts);
        boots.spawn(async move { hosts.boot(request(id, &format!("web-{id}"))).await.unwrap() });
    }
    let mut set = boots.join_all().await;
    set.sort();
    set.dedup();
    assert_eq!(set.len(), 8);
    hosts.destroy_all().await;
    assert!(hosts.run(3, "true").await.is_err());
}
