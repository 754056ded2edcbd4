//! Shows what would be done on several hosts. Needs no network and no host.
//!
//! Run it with `cargo run -p provider-tailscale --example plan_join`.

use provider_tailscale::Tailscale;
use provider_tailscale::core::{NetworkProvider, NodeName, NodeSpec, ProbeFacts, RoleName};

const HOSTS: [(&str, &str); 4] = [
    ("fresh", "os_id=debian\nos_codename=trixie\ninstalled=no\n"),
    ("wrong-system", "os_id=fedora\ninstalled=no\n"),
    (
        "not-logged-in",
        "installed=yes\nversion=1.82.0\nstatus_code=0\nstatus:\n{\"BackendState\":\"NeedsLogin\"}\n",
    ),
    (
        "member",
        "installed=yes\nversion=1.82.0\nstatus_code=0\nstatus:\n{\"BackendState\":\"Running\",\"HaveNodeKey\":true,\
         \"MagicDNSSuffix\":\"tail1234.ts.net\",\"Self\":{\"ID\":\"n1\",\"DNSName\":\"prod-member.tail1234.ts.net.\",\
         \"Online\":true,\"Tags\":[\"tag:stagecraft\"]}}\n",
    ),
];

#[expect(clippy::print_stdout, reason = "an example shows its result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tailnet = Tailscale::builder("TS_AUTHKEY", "tail1234.ts.net")
        .default_tag("tag:stagecraft")
        .build()?;
    for (name, output) in HOSTS {
        let node = NodeSpec {
            name: NodeName::new(format!("prod-{name}"))?,
            role: RoleName::new("app")?,
        };
        let facts = ProbeFacts {
            output: output.to_owned(),
            code: 0,
        };
        println!("{}", tailnet.node_fqdn(&node.name)?);
        match tailnet.decide(&facts, &node) {
            Ok(changes) if changes.is_empty() => println!("  nothing to do"),
            Ok(changes) => changes
                .iter()
                .for_each(|change| println!("  {}", change.summary)),
            Err(error) => println!("  {error}"),
        }
    }
    Ok(())
}
