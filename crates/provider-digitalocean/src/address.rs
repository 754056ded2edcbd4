//! Distinguishes a droplet's own public address from its reserved ones.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use stagecraft_core::{ErrorKind, Result, Run};

use crate::client::Client;
use crate::wire::{Concern, Droplet, ReservedPage};

/// Lists the account's reserved addresses, if a droplet has more than one public address.
///
/// A reserved address is listed beside the droplet's own, in any order and without a mark. They are
/// read once per operation, and only if needed: most accounts have none. If the token may not read
/// them, the own address stays unknown and the run reports that; either address reaches the
/// droplet.
pub(crate) async fn reserved<'d>(
    client: &Client,
    run: &Run,
    mut droplets: impl Iterator<Item = &'d Droplet>,
) -> Result<BTreeSet<Ipv4Addr>> {
    let Some(doubled) = droplets.find(|droplet| public(droplet).nth(1).is_some()) else {
        return Ok(BTreeSet::new());
    };
    let (id, name) = (doubled.id, doubled.name.clone());
    let read = || async move {
        let listed = client.list::<ReservedPage>(run, "/v2/reserved_ips", &[], Concern::Nobody);
        let listed = listed
            .await
            .map_err(|error| error.into_error("read_reserved_ips"));
        match listed {
            Ok(listed) => {
                let addresses = listed.into_iter().filter_map(|one| one.ip.parse().ok());
                Ok(addresses.collect())
            }
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                tracing::warn!(
                    id, %name,
                    "the token lacks the scope reserved_ip:read: a reserved address may be taken for a droplet's own"
                );
                Ok(BTreeSet::new())
            }
            Err(error) => Err(error),
        }
    };
    client.reserved.get_or_try_init(read).await.cloned()
}

/// The droplet's own public address.
pub(crate) fn own(droplet: &Droplet, reserved: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    public(droplet).find(|address| !reserved.contains(address))
}

fn public(droplet: &Droplet) -> impl Iterator<Item = Ipv4Addr> {
    let networks = droplet.networks.v4.iter();
    networks
        .filter(|network| network.kind == "public")
        .filter_map(|network| network.ip_address.parse().ok())
}
