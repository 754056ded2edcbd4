//! Projects and the resources in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::timestamp;

/// The id of the project of new resources.
pub(crate) const DEFAULT_PROJECT: &str = "4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679";

/// A project.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) id: String,
    name: String,
    description: String,
    purpose: String,
    environment: String,
    created_at: String,
}

/// The projects of the account.
#[derive(Debug)]
pub(crate) struct Projects {
    by_id: BTreeMap<String, Project>,
    made: u64,
    /// Resources outside the default project: their project, and the time of the move.
    assigned: BTreeMap<String, (String, String)>,
}

impl Default for Projects {
    fn default() -> Self {
        let project = Project {
            id: DEFAULT_PROJECT.to_owned(),
            name: "Sandbox".to_owned(),
            description: "Update your project information under Settings".to_owned(),
            purpose: "Just trying out DigitalOcean".to_owned(),
            environment: "Development".to_owned(),
            created_at: "2026-01-05T09:12:44Z".to_owned(),
        };
        Self {
            by_id: BTreeMap::from([(project.id.clone(), project)]),
            made: 0,
            assigned: BTreeMap::new(),
        }
    }
}

impl Projects {
    pub(crate) fn list(&self) -> impl Iterator<Item = &Project> {
        self.by_id.values()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Project> {
        let id = if id == "default" { DEFAULT_PROJECT } else { id };
        self.by_id.get(id)
    }

    /// Creates a project; `None` if the name is taken.
    pub(crate) fn create(
        &mut self,
        name: &str,
        description: &str,
        purpose: &str,
        environment: &str,
    ) -> Option<&Project> {
        if self.list().any(|project| project.name == name) {
            return None;
        }
        self.made += 1;
        let id = format!("7c19aa5d-dc3e-41f2-a18f-{:012x}", self.made);
        let project = Project {
            id: id.clone(),
            name: name.to_owned(),
            description: description.to_owned(),
            purpose: purpose.to_owned(),
            environment: environment.to_owned(),
            created_at: timestamp(),
        };
        Some(self.by_id.entry(id).or_insert(project))
    }

    /// Deletes a project; its resources return to the default one.
    pub(crate) fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
        self.assigned.retain(|_, (project, _)| project != id);
    }

    /// The project of a resource.
    pub(crate) fn of(&self, urn: &str) -> &str {
        let assigned = self.assigned.get(urn);
        assigned.map_or(DEFAULT_PROJECT, |(project, _)| project)
    }

    /// When a resource was moved to its project, if it was.
    pub(crate) fn assigned_at(&self, urn: &str) -> Option<&str> {
        self.assigned.get(urn).map(|(_, at)| at.as_str())
    }

    /// Moves a resource to a project; `false` if it is there already.
    pub(crate) fn assign(&mut self, urn: &str, project: &str) -> bool {
        if self.of(urn) == project {
            return false;
        }
        let assignment = (project.to_owned(), timestamp());
        self.assigned.insert(urn.to_owned(), assignment);
        true
    }
}

impl Project {
    /// The API's object; the owner is the account.
    pub(crate) fn to_json(&self, owner: &str) -> Value {
        json!({
            "id": self.id,
            "owner_uuid": owner,
            "owner_id": 258_992,
            "name": self.name,
            "description": self.description,
            "purpose": self.purpose,
            "environment": self.environment,
            "is_default": self.id == DEFAULT_PROJECT,
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_in_the_default_project_until_moved() {
        let mut projects = Projects::default();
        let id = projects.create("p", "", "", "").unwrap().id.clone();
        assert!(projects.create("p", "", "", "").is_none());
        assert_eq!(projects.of("do:droplet:1"), DEFAULT_PROJECT);
        assert!(projects.assign("do:droplet:1", &id));
        assert!(!projects.assign("do:droplet:1", &id));
        assert_eq!(projects.of("do:droplet:1"), id);
        projects.remove(&id);
        assert_eq!(projects.of("do:droplet:1"), DEFAULT_PROJECT);
    }
}
