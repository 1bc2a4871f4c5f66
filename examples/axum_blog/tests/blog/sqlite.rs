//! The cases on SQLite, with the cache in memory.

use crate::support::Blog;
use crate::support::place::sqlite as place;

#[path = "cases/crowd.rs"]
mod crowd;
#[path = "cases/forms.rs"]
mod forms;
#[path = "cases/life.rs"]
mod life;
#[path = "cases/reads.rs"]
mod reads;
#[path = "cases/sitemap.rs"]
mod sitemap;

#[test]
fn nothing_has_to_be_said_to_start_it() {
    let blog = Blog::start_alone();
    assert_eq!(blog.get("/").kinds(), ["miss", "miss"]);
    let again = blog.get("/");
    assert_eq!(again.kinds(), ["hit", "hit"]);
    assert!(again.html.contains("Why this page is fast"));
}

#[test]
fn what_is_misspelt_is_said_at_the_start() {
    let said = Blog::refused("oracle://me:secret@localhost/blog");
    assert!(said.contains("oracle://;"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
