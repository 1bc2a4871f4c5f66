//! The cases on PostgreSQL, with the cache in Redis.

use crate::support::Blog;
use crate::support::place::postgres as place;

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
fn one_process_sees_at_once_what_another_wrote() {
    let place = place();
    let (here, there) = (Blog::start(&place), Blog::start(&place));
    here.settled("/posts/1");
    there.settled("/posts/1");
    for number in 0..20 {
        let text = format!("number {number}");
        let (writer, reader) = match number % 2 {
            0 => (&here, &there),
            _ => (&there, &here),
        };
        writer.comment(1, "Ada", &text);
        assert!(reader.get("/posts/1").html.contains(&text), "{text}");
    }
    // What one has stored, the other one hits.
    here.settled("/posts/2");
    assert_eq!(there.get("/posts/2").kinds(), ["hit", "hit"]);
}

#[test]
fn a_write_leaves_the_pages_of_others_alone() {
    // As the models' keys tell them apart.
    let place = place();
    let blog = Blog::start(&place);
    let paths = ["/posts/1", "/posts/2", "/authors/2"];
    let before = paths.map(|path| blog.settled(path));
    assert_eq!(blog.comment(1, "Barbara", "Of the first post.").status, 303);
    assert_eq!(
        blog.write("Ada", "A fourth post", "Not of Grace.").status,
        303
    );
    for (path, before) in paths.into_iter().zip(&before).skip(1) {
        // A commit's last word may still be on its way to the store.
        let page = blog.rested(path);
        assert_eq!(page.kinds(), ["hit", "hit"], "{path}");
        assert_eq!(page.main(), before.main());
    }
}
