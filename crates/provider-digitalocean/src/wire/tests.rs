//! Every wire type, with each of its fields `null`, absent and of another type.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stagecraft_core::json;
use stagecraft_testkit::{Damage, damaged, fields};

use super::around::AssignedResource;
use super::*;

/// The required fields: ids and names that distinguish objects, the subject of an answer, and the
/// price of a size, which limits rely on.
const REQUIRED: &[&str] = &[
    "AccountEnvelope.account",
    "Account.uuid",
    "ActionEnvelope.action",
    "Action.status",
    "ActionLink.id",
    "AssociatedResource.id",
    "CloudProject.id",
    "CreatedDroplet.id",
    "CreatedDroplet.name",
    "CreatedDroplets.droplets",
    "Droplet.id",
    "Droplet.name",
    "DropletEnvelope.droplet",
    "Firewall.id",
    "FirewallEnvelope.firewall",
    "ImageEnvelope.image",
    "KeyEnvelope.ssh_key",
    "ListedAction.id",
    "ListedAction.status",
    "ListedFirewall.id",
    "ListedFirewall.name",
    "NamedTag.tag",
    "RegionOffer.slug",
    "ReservedIp.ip",
    "Resource.urn",
    "Size.price_monthly",
    "Size.slug",
    "SshKey.fingerprint",
    "SshKey.id",
    "SshKey.name",
    "StartedAction.action",
    "StartedActionId.id",
    "Tag.name",
    "TagEnvelope.tag",
    "TagUse.count",
    "UsedTag.resources",
    "Vpc.id",
];

/// What was checked.
#[derive(Default)]
struct Walk {
    structs: BTreeSet<String>,
    required: BTreeSet<String>,
}

impl Walk {
    fn answer<T: DeserializeOwned>(&mut self, sample: &Value) {
        for field in fields::<T>(sample) {
            let label = field.to_string();
            let is_required = REQUIRED.contains(&label.as_str());
            self.structs.insert(field.owner.to_owned());
            if is_required {
                self.required.insert(label.clone());
            }
            for (damage, answer) in damaged(sample, &field) {
                let decoded = json::decode::<T>(answer.to_string().as_bytes()).map(drop);
                let is_nothing = matches!(damage, Damage::Null | Damage::Absent);
                match decoded {
                    Ok(()) => assert!(!is_nothing || !is_required, "{label} {damage:?} passed"),
                    Err(error) if is_nothing => {
                        assert!(is_required, "{label} {damage:?}: {error}");
                        let missing = format!("missing field `{}`", field.name);
                        assert!(error.to_string().contains(&missing), "{label}: {error}");
                    }
                    Err(_) => {}
                }
            }
        }
    }

    /// A list of two elements, the first of which is damaged.
    fn list<P: Page>(&mut self, element: &Value, neighbour: &Value) {
        self.answer::<P::Item>(element);
        let page = |first: &Value| {
            json!({P::LIST: [first, neighbour], "links": {"pages": {"next": "x"}, "actions": [{"id": 1}]},
                   "meta": {"total": 2}})
        };
        let key = json::from_value::<P::Item>(neighbour.clone())
            .map(|item| item.key())
            .unwrap();
        let decode = |answer: &Value| {
            let page = decode_page::<P>(answer.to_string().as_bytes()).unwrap();
            assert_eq!(page.items.len(), 2, "{answer}");
            let Listed::Known(second) = &page.items[1] else {
                panic!("the neighbour fell: {answer}");
            };
            assert_eq!(second.key(), key, "{answer}");
            page
        };
        for field in fields::<P>(&page(element)) {
            self.structs.insert(field.owner.to_owned());
        }
        for field in fields::<P::Item>(element) {
            for (damage, element) in damaged(element, &field) {
                let page = decode(&page(&element));
                let is_required = REQUIRED.contains(&field.to_string().as_str());
                match &page.items[0] {
                    Listed::Known(_) => {
                        let is_nothing = matches!(damage, Damage::Null | Damage::Absent);
                        assert!(!is_nothing || !is_required, "{field} {damage:?}");
                    }
                    Listed::Strange(strange) => {
                        let told = strange.to_string();
                        assert!(told.contains(P::Item::WHAT), "{told}");
                        assert!(Concern::Every.includes(strange), "{told}");
                        assert!(!Concern::Nobody.includes(strange), "{told}");
                        // Its other names are still read.
                        for name in ["name", "slug"] {
                            let readable = element.get(name).and_then(Value::as_str);
                            let Some(own) = readable.filter(|_| field.name != name) else {
                                continue;
                            };
                            assert!(told.contains(own), "{told}");
                            assert!(Concern::Named(&|named| named == own).includes(strange));
                        }
                    }
                }
            }
        }
        // Elements that are null or of another type.
        for strange in [json!(null), json!([]), json!(7), json!("x"), json!({})] {
            let page = decode(&page(&strange));
            let Listed::Strange(found) = &page.items[0] else {
                panic!("{strange} passed");
            };
            assert_eq!(Concern::Every.includes(found), !strange.is_null());
        }
        // The parts around the list.
        for (part, value) in [
            ("links", json!(null)),
            ("meta", json!(null)),
            ("meta", json!({})),
        ] {
            let mut answer = page(element);
            answer[part] = value;
            decode(&answer);
        }
        let mut answer = page(element);
        answer["links"] = json!({"pages": null, "actions": null});
        decode(&answer);
        answer[P::LIST] = Value::Null;
        let empty = decode_page::<P>(answer.to_string().as_bytes()).unwrap();
        assert!(empty.items.is_empty());
        for list in [json!(7), json!({}), json!("x")] {
            answer[P::LIST] = list;
            assert!(
                decode_page::<P>(answer.to_string().as_bytes()).is_err(),
                "{answer}"
            );
        }
        answer.as_object_mut().unwrap().remove(P::LIST);
        assert!(
            decode_page::<P>(answer.to_string().as_bytes()).is_err(),
            "{answer}"
        );
    }
}

fn droplet(id: u64, name: &str) -> Value {
    json!({
        "id": id, "name": name, "status": "active", "size_slug": "small", "disk": 25,
        "features": ["ipv6"], "image": {"id": 7, "slug": "debian-13-x64", "public": true},
        "region": {"slug": "nyc3"}, "tags": ["web"],
        "networks": {"v4": [{"ip_address": "192.0.2.7", "type": "public"}]},
        "vpc_uuid": "v", "locked": false, "volume_ids": ["v"], "snapshot_ids": [7],
    })
}

fn walk_all() -> Walk {
    let mut walk = Walk::default();
    walk.answer::<AccountEnvelope>(&json!({"account": {
        "uuid": "u", "email": "ops@example.com", "droplet_limit": 10, "status": "active",
        "status_message": "", "team": {"uuid": "t", "name": "ops"},
    }}));
    walk.answer::<KeyEnvelope>(&json!({"ssh_key": {"id": 1, "fingerprint": "aa", "name": "ops"}}));
    walk.answer::<ImageEnvelope>(&json!({"image": {"regions": ["nyc3"], "min_disk_size": 7}}));
    walk.answer::<DropletEnvelope>(&json!({"droplet": droplet(1, "a")}));
    walk.answer::<CreatedDroplets>(&json!({
        "droplets": [{"id": 1, "name": "a"}],
        "links": {"pages": {"next": "x"}, "actions": [{"id": 1}]},
    }));
    walk.answer::<ActionEnvelope>(&json!({"action": {"status": "completed", "resource_id": 1}}));
    walk.answer::<StartedAction>(&json!({"action": {"id": 1}}));
    walk.answer::<NamedTag>(&json!({"tag": {"name": "web"}}));
    walk.answer::<TagEnvelope>(&json!({"tag": {"resources": {"count": 1}}}));
    walk.answer::<FirewallEnvelope>(&json!({"firewall": {
        "id": "f", "created_at": "2026-01-01T00:00:00Z", "inbound_rules": [
            {"protocol": "tcp", "ports": "1", "sources": {"addresses": ["192.0.2.1"]}},
        ],
    }}));
    walk.answer::<Assigned>(&json!({"resources": []}));
    walk.answer::<AssignedResource>(&json!({"urn": "do:droplet:1", "status": "ok"}));
    walk.answer::<Associated>(&json!({
        "volumes": [], "volume_snapshots": [], "snapshots": [], "reserved_ips": [],
        "floating_ips": [],
    }));
    walk.answer::<DropletImage>(&json!({"id": 7, "slug": "debian-13-x64", "public": true}));
    walk.answer::<AssociatedResource>(&json!({"id": "v", "name": "data", "cost": "1"}));
    walk.answer::<ErrorBody>(&json!({"id": "i", "message": "m", "error": "e", "request_id": "r"}));
    walk.list::<DropletsPage>(&droplet(1, "a"), &droplet(2, "b"));
    let size = |slug: &str| {
        json!({"slug": slug, "price_monthly": 6.0, "price_hourly": 0.009, "disk": 25,
               "available": true, "regions": ["nyc3"]})
    };
    walk.list::<SizesPage>(&size("small"), &size("large"));
    let region = |slug: &str| json!({"slug": slug, "available": true});
    walk.list::<RegionsPage>(&region("nyc3"), &region("ams3"));
    let key = |id: u64| json!({"id": id, "fingerprint": "aa", "name": format!("ops-{id}")});
    walk.list::<KeysPage>(&key(1), &key(2));
    walk.list::<TagsPage>(&json!({"name": "web"}), &json!({"name": "db"}));
    walk.list::<ReservedPage>(&json!({"ip": "192.0.2.1"}), &json!({"ip": "192.0.2.2"}));
    let named = |id: &str| json!({"id": id, "name": format!("n-{id}")});
    walk.list::<FirewallsPage>(&named("1"), &named("2"));
    let action = |id: u64| json!({"id": id, "status": "completed"});
    walk.list::<ActionsPage>(&action(1), &action(2));
    let vpc = |id: &str| json!({"id": id, "name": format!("n-{id}"), "region": "nyc3"});
    walk.list::<VpcsPage>(&vpc("1"), &vpc("2"));
    walk.list::<ProjectsPage>(&named("1"), &named("2"));
    let urn = |id: u64| json!({"urn": format!("do:droplet:{id}")});
    walk.list::<ResourcesPage>(&urn(1), &urn(2));
    walk
}

#[test]
fn every_field_of_every_answer_may_be_null_or_absent_or_is_required_by_name() {
    let walk = walk_all();
    let required: BTreeSet<String> = REQUIRED.iter().map(ToString::to_string).collect();
    assert_eq!(walk.required, required);
}

#[test]
fn every_wire_type_is_walked() {
    let walk = walk_all();
    let sources = [
        include_str!("../wire.rs"),
        include_str!("around.rs"),
        include_str!("change.rs"),
        include_str!("droplet.rs"),
    ];
    let mut declared = BTreeSet::new();
    for source in sources {
        for item in source.split("#[derive(").skip(1) {
            let (derived, rest) = item.split_once(')').unwrap();
            let name = rest.split("pub(crate) struct ").nth(1);
            let name = name.and_then(|rest| rest.split([' ', '<', '{']).next());
            if let Some(name) = name.filter(|_| derived.contains("Deserialize")) {
                declared.insert(name.to_owned());
            }
        }
        for page in source.split("page!(").skip(1) {
            declared.insert(page.split(',').next().unwrap().trim().to_owned());
        }
    }
    assert!(declared.len() > 40, "{declared:?}");
    assert_eq!(walk.structs, declared);
}

#[test]
fn droplet_that_cannot_be_decoded_keeps_its_name_and_the_tags_that_can() {
    let mut droplet = droplet(7, "staging-db-1");
    droplet["disk"] = json!("25 GB");
    droplet["tags"] = json!(["web", 5, null, "db"]);
    let body = json!({"droplets": [droplet]}).to_string();
    let page = decode_page::<DropletsPage>(body.as_bytes()).unwrap();
    let Listed::Known(droplet) = &page.items[0] else {
        panic!("{page:?}");
    };
    assert_eq!((droplet.id, droplet.name.as_str()), (7, "staging-db-1"));
    assert_eq!(
        droplet.tags.as_deref(),
        Some(&["web".to_owned(), "db".to_owned()][..])
    );
    let flaw = droplet.flaw.as_deref().unwrap();
    assert!(
        flaw.contains("invalid type: string \"25 GB\", expected u64"),
        "{flaw}"
    );
}

#[test]
fn error_is_read_whatever_else_its_body_holds() {
    for body in [
        r#"{"id": 5, "message": "no", "request_id": null}"#,
        r#"{"error": "no", "messages": null, "root_causes": ["x"]}"#,
        r#"{"message": "no", "id": ["x"], "request_id": {}}"#,
    ] {
        let body: ErrorBody = json::decode(body.as_bytes()).unwrap();
        assert_eq!(format!("{}{}", body.message, body.error), "no");
    }
}
