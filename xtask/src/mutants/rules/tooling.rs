//! Rules of the repository's own commands: a check that lets things pass is
//! worse than none.

use super::Mutant;

pub(super) const RULES: &[Mutant] = &[
    Mutant {
        name: "layers-refuse-a-layer-above",
        file: "xtask/src/layers/mod.rs",
        find: "Some(used) if used > layer => Some(format!(\n                \"`{name}` (L{layer}) uses `{other}`",
        replace: "Some(used) if used > layer + 9 => Some(format!(\n                \"`{name}` (L{layer}) uses `{other}`",
        tests: &[&["--package", "xtask", "layers::"]],
        servers: false,
    },
    Mutant {
        name: "tests-of-every-database-must-run",
        file: "xtask/src/test/manifest.rs",
        find: "Scope::Everything => Database::ALL.to_vec(),",
        replace: "Scope::Everything => Vec::new(),",
        tests: &[&["--package", "xtask", "manifest::"]],
        servers: false,
    },
];
