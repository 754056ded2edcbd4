//! Circles of imports between the files of a crate.
//!
//! Whoever reads a file of a circle has to read all of them. A parent uses its children, and a
//! child may use what its parent defines; nothing else goes both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree, Visibility};

/// Where a file stands in its crate: `["config", "document"]`; the root is empty.
pub(super) type Module = Vec<String>;

/// The deepest chain of re-exports that is followed.
const REEXPORTS: usize = 8;

/// What a file names.
#[derive(Default)]
struct File {
    /// What it imports, by the name that it has in the file.
    imports: BTreeMap<String, Vec<String>>,
    /// The same, and all other paths; without what it only passes on.
    paths: BTreeSet<Vec<String>>,
}

/// The module of a file, from its path below `src`.
pub(super) fn module_of(path: &Path) -> Module {
    let mut module: Module = path
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(module.last().map(String::as_str), Some("lib" | "main")) {
        module.pop();
    }
    module
}

/// The circles of a crate, each as the modules that reach each other. Files are sources by their
/// modules.
pub(super) fn find(sources: &BTreeMap<Module, String>) -> Result<Vec<Vec<Module>>> {
    let mut files = BTreeMap::new();
    for (module, source) in sources {
        let syntax = syn::parse_file(source);
        let syntax = syntax.with_context(|| format!("cannot parse {}", module.join("::")))?;
        let mut file = File::default();
        file.visit_file(&syntax);
        files.insert(module.clone(), file);
    }
    let mut edges: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, file) in &files {
        for path in &file.paths {
            let Some(path) = absolute(&files, module, path) else {
                continue;
            };
            let is_family = |other: &Module| is_parent(module, other) || is_parent(other, module);
            let used = owner(&files, &path, 0);
            if used != module && !is_family(used) {
                edges.entry(module).or_default().insert(used);
            }
        }
    }
    Ok(circles(&files, &edges))
}

fn is_parent(parent: &Module, child: &Module) -> bool {
    child.len() == parent.len() + 1 && child.starts_with(parent)
}

/// The path from the root of the crate, if it leads into the crate.
fn absolute(files: &BTreeMap<Module, File>, from: &Module, path: &[String]) -> Option<Vec<String>> {
    let mut base = from.clone();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let imported = files.get(from).and_then(|file| file.imports.get(first));
            if let Some(imported) =
                imported.filter(|own| own.as_slice() != path && own[0] != *first)
            {
                let path = imported.iter().chain(&path[1..]).cloned();
                return absolute(files, from, &path.collect::<Vec<_>>());
            }
            let child: Module = from.iter().chain([&rest[0]]).cloned().collect();
            files.get(&child)?;
        }
    }
    Some(base.into_iter().chain(rest.iter().cloned()).collect())
}

/// The file that defines what an absolute path names, through re-exports.
fn owner<'a>(files: &'a BTreeMap<Module, File>, path: &[String], depth: usize) -> &'a Module {
    let (module, file) = (0..=path.len())
        .rev()
        .find_map(|length| files.get_key_value(&path[..length]))
        .expect("every crate has a root");
    let name = path.get(module.len()).filter(|_| depth < REEXPORTS);
    let target = name.and_then(|name| file.imports.get(name));
    let target = target.and_then(|target| absolute(files, module, target));
    match target {
        Some(target) if !path.starts_with(&target) => owner(files, &target, depth + 1),
        _ => module,
    }
}

/// The sets of more than one module in which each reaches each other.
fn circles(
    files: &BTreeMap<Module, File>,
    edges: &BTreeMap<&Module, BTreeSet<&Module>>,
) -> Vec<Vec<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = files
        .keys()
        .map(|start| {
            let mut seen = BTreeSet::new();
            let mut open = vec![start];
            while let Some(module) = open.pop() {
                for next in edges.get(module).into_iter().flatten() {
                    if seen.insert(*next) {
                        open.push(next);
                    }
                }
            }
            (start, seen)
        })
        .collect();
    let mut found: Vec<Vec<Module>> = Vec::new();
    for (module, others) in &reached {
        let circle: Vec<Module> = others
            .iter()
            .filter(|other| reached[**other].contains(*module))
            .map(|other| (*other).clone())
            .collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

impl<'a> Visit<'a> for File {
    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let mut found = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut found);
        for (name, path) in found {
            if matches!(item.vis, Visibility::Inherited) {
                self.paths.insert(path.clone());
            }
            self.imports.insert(name, path);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if parts.len() > 1 {
            self.paths.insert(parts);
        }
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Each name that an import brings, with its path.
fn flatten(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            flatten(&part.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path, found);
            }
        }
        UseTree::Name(name) if name.ident == "self" => {
            found.extend(path.last().map(|last| (last.clone(), path.clone())));
        }
        UseTree::Name(name) => {
            let ident = name.ident.to_string();
            found.push((ident.clone(), [&path[..], &[ident]].concat()));
        }
        UseTree::Rename(rename) => {
            let whole = [&path[..], &[rename.ident.to_string()]].concat();
            found.push((rename.rename.to_string(), whole));
        }
        UseTree::Glob(_) => found.push((String::new(), path.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources = files
            .iter()
            .map(|(path, source)| (module_of(Path::new(path)), (*source).to_owned()))
            .collect();
        let found = find(&sources).unwrap();
        let name = |circle: Vec<Module>| circle.iter().map(|own| own.join("::")).collect();
        found.into_iter().map(name).collect()
    }

    #[test]
    fn files_that_import_each_other_are_a_circle_however_they_write_it() {
        let root = ("lib.rs", "mod a; mod b; mod c; pub use b::Thing;");
        for (a, b) in [
            ("use crate::b::Thing;", "use crate::a::Other;"),
            (
                "use super::b;\nfn f() { b::g(); }",
                "fn g() { crate::a::f() }",
            ),
            ("fn f(thing: crate::Thing) {}", "use super::a::{self, f};"),
            ("use crate::c;\nfn f(_: c::Thing) {}", "use crate::a::f;"),
        ] {
            let c = ("c.rs", "pub use crate::b::Thing;");
            assert_eq!(
                circles_of(&[root, ("a.rs", a), ("b.rs", b), c]),
                [["a", "b"]],
                "{a}"
            );
        }
    }

    #[test]
    fn parents_and_children_tests_and_one_way_imports_are_none() {
        let files = [
            (
                "lib.rs",
                "mod a; mod b; pub use a::A; pub const LIMIT: u32 = 1;",
            ),
            (
                "a.rs",
                "mod child; use child::f; pub struct A; use crate::LIMIT;",
            ),
            (
                "a/child.rs",
                "use super::A; use crate::b::B; pub fn f(_: A) {}",
            ),
            (
                "b.rs",
                "pub struct B; use std::fmt;\n#[cfg(test)] mod tests { use crate::A; }",
            ),
        ];
        assert_eq!(circles_of(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn circle_of_three_is_found_through_a_child() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::inner::X;"),
            ("b.rs", "mod inner;"),
            ("b/inner.rs", "use crate::c::C; pub struct X;"),
            ("c.rs", "use crate::a::A; pub struct C;"),
        ];
        assert_eq!(circles_of(&files), [["a", "b::inner", "c"]]);
    }
}
