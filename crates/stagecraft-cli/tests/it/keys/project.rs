//! The keys of the project itself, its limits included.

use super::{PLAN, Row, UP, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        "env_file",
        ("project:", "env_file: nowhere.env\nproject:"),
        PLAN,
        "nowhere.env: cannot read it",
    ),
    row(
        "project.name",
        ("name: shop", "name: zoo"),
        PLAN,
        "stagecraft-project-zoo",
    ),
    row(
        "limits.max_hosts",
        ("project:", "limits: { max_hosts: 1 }\nproject:"),
        UP,
        "limits.max_hosts is 1",
    ),
    row(
        "limits.max_monthly",
        ("project:", "limits: { max_monthly: 1.5 }\nproject:"),
        UP,
        "limits.max_monthly is $1.50",
    ),
];
