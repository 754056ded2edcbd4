//! Token scopes that requests need.
//!
//! After the `security` of each operation in the vendor's description of the API:
//! <https://github.com/digitalocean/openapi>.

use crate::knobs::Knobs;

/// The scopes that the path and query of a request need, by its kind as in the journal. The handler
/// checks those that the body needs.
pub(crate) fn needed(kind: &str, by_tag: bool) -> Vec<String> {
    let (method, path) = kind.split_once(' ').unwrap_or((kind, ""));
    let Some(path) = path.strip_prefix("/v2/") else {
        return Vec::new();
    };
    let verb = match method {
        "GET" | "HEAD" => "read",
        "POST" => "create",
        "DELETE" => "delete",
        _ => "update",
    };
    let mut scopes = match path {
        "account" => vec!["account:read".to_owned()],
        "regions" | "sizes" => vec![format!("{path}:read")],
        "droplets/actions" | "droplets/{id}/actions" if method == "POST" => {
            vec!["droplet:update".to_owned()]
        }
        "projects/{id}/resources" | "projects/default/resources" if method == "POST" => {
            vec!["project:assign_resource".to_owned()]
        }
        _ => {
            let mut segments = path.split('/');
            let collection = match (segments.next(), segments.next()) {
                (Some("account"), Some(second)) => second,
                (first, _) => first.unwrap_or_default(),
            };
            let resource = match collection {
                "keys" => "ssh_key",
                "images" => "image",
                "droplets" => "droplet",
                "actions" => "actions",
                "firewalls" => "firewall",
                "tags" => "tag",
                "vpcs" => "vpc",
                "projects" => "project",
                "volumes" => "block_storage",
                "snapshots" => "snapshot",
                "reserved_ips" => "reserved_ip",
                _ => return Vec::new(),
            };
            vec![format!("{resource}:{verb}")]
        }
    };
    if by_tag {
        scopes.push("tag:read".to_owned());
    }
    scopes
}

impl Knobs {
    /// Whether the token has a scope.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        !self.missing_scopes.iter().any(|missing| missing == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_request_has_its_scopes() {
        let cases = [
            ("GET /v2/account", "account:read"),
            ("GET /v2/account/keys/{key}", "ssh_key:read"),
            ("POST /v2/account/keys", "ssh_key:create"),
            ("GET /v2/sizes", "sizes:read"),
            ("POST /v2/droplets", "droplet:create"),
            ("GET /v2/droplets/{id}/actions", "droplet:read"),
            ("POST /v2/droplets/{id}/actions", "droplet:update"),
            ("GET /v2/actions/{id}", "actions:read"),
            ("PUT /v2/firewalls/{id}", "firewall:update"),
            ("DELETE /v2/tags/{tag}/resources", "tag:delete"),
            ("PATCH /v2/vpcs/{id}", "vpc:update"),
            (
                "POST /v2/projects/{id}/resources",
                "project:assign_resource",
            ),
            ("GET /v2/volumes", "block_storage:read"),
            ("DELETE /v2/reserved_ips/{ip}", "reserved_ip:delete"),
        ];
        for (kind, scope) in cases {
            assert_eq!(needed(kind, false), [scope], "{kind}");
        }
        assert_eq!(
            needed("DELETE /v2/droplets", true),
            ["droplet:delete", "tag:read"]
        );
        assert_eq!(needed("GET /v2/unheard_of", false), Vec::<String>::new());
    }
}
