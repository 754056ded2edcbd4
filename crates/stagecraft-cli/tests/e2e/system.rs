//! The steps of the system: done once, kept, and refused in plain words where a host cannot.

use crate::hosts::{config, failure, lab};
use crate::stand_ins::{HOST, status};

const ONE: &str = "web-1: { role: web, image: debian-13-x64 }";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPHrbKl4ksMQ6yyvNOjMDGIE2jMqnfZUfIpQc1lHq3Nz ada";

#[tokio::test(flavor = "multi_thread")]
async fn system_is_set_up_once_and_then_left_alone() {
    let steps = format!(
        "\
docker: {{ enabled: false }}
users: {{ ada: {{ authorized_keys: ['{KEY}'], groups: [adm], sudo: true }} }}
sysctl: {{ net.ipv4.ip_forward: 1, net.core.somaxconn: 2048 }}
timezone: Europe/Vienna
unattended_upgrades: true"
    );
    let lab = lab(&config(ONE, &steps)).await;
    let up = lab.infra("up", &["--yes", "-o", "json"]).await;
    let result = up.expect_code(0).result();
    for step in ["users", "sysctl", "timezone", "unattended_upgrades"] {
        assert_eq!(status(&result, step), "changed", "{step}: {result}");
    }
    for (script, seen) in [
        ("grep -c ' ada$' ~ada/.ssh/authorized_keys", "1"),
        ("stat -c '%U %a' ~ada/.ssh/authorized_keys", "ada 600"),
        ("id -nG ada", "ada adm"),
        ("runuser -u ada -- sudo -n id -u", "0"),
        ("cat /proc/sys/net/ipv4/ip_forward", "1"),
        ("cat /proc/sys/net/core/somaxconn", "2048"),
        ("grep -c = /etc/sysctl.d/zz-stagecraft.conf", "2"),
        // As at boot, where this name is a link to /etc/sysctl.conf on many systems.
        (
            "echo net.core.somaxconn=1024 >/etc/sysctl.d/99-sysctl.conf; \
             /usr/lib/systemd/systemd-sysctl >/dev/null 2>&1; cat /proc/sys/net/core/somaxconn",
            "2048",
        ),
        (
            "readlink -f /etc/localtime",
            "/usr/share/zoneinfo/Europe/Vienna",
        ),
        (
            "apt-config dump APT::Periodic::Unattended-Upgrade",
            "APT::Periodic::Unattended-Upgrade \"1\";",
        ),
        ("test -x /usr/bin/unattended-upgrade && echo there", "there"),
    ] {
        assert_eq!(lab.inside(HOST, script).await.trim(), seen, "{script}");
    }
    lab.heals().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_kernel_does_not_allow_is_told_and_leaves_nothing() {
    // The kernel is the machine's: containers neither swap nor set what is not of the network.
    let refused = "swap: 16M\nsysctl: { vm.swappiness: 10 }\n";
    let steps = format!("docker: {{ enabled: false }}\n{refused}timezone: Europe/Vienna");
    let lab = lab(&config(ONE, &steps)).await;
    let up = lab.infra("up", &["--yes", "-o", "json"]).await;
    let result = up.expect_code(3).result();
    for (step, words) in [
        ("swap", "/var/swap.stagecraft cannot be used as swap"),
        ("sysctl", "vm/swappiness cannot be 10"),
    ] {
        assert_eq!(status(&result, step), "failed", "{result}");
        assert!(result.to_string().contains(words), "{result}");
    }
    assert_eq!(failure(&result, HOST)["code"], "system_change_failed");
    assert_eq!(status(&result, "timezone"), "changed");
    let left =
        "ls /var/*stagecraft* /etc/*stagecraft* 2>/dev/null; grep stagecraft /etc/fstab || :";
    assert_eq!(lab.inside(HOST, left).await, "");
    for line in refused.lines() {
        lab.edit(&format!("    {line}\n"), "");
    }
    lab.heals().await;
    lab.shutdown().await;
}
