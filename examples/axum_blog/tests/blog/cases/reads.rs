//! What the pages show, and what their feet say.

use super::place;
use crate::support::Blog;

#[test]
fn the_second_view_of_a_page_hits() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/");
    for path in ["/posts/1", "/authors/2"] {
        let first = blog.get(path);
        assert_eq!(first.kinds(), ["miss", "miss"], "{path}");
        assert_eq!(first.reads[1].detail, "stored");
        let second = blog.get(path);
        assert_eq!(second.kinds(), ["hit", "hit"], "{path}");
        assert_eq!(first.main(), second.main(), "{path}");
    }
}

#[test]
fn a_foot_names_every_read_and_its_time() {
    let place = place();
    let blog = Blog::start(&place);
    let labels = |path: &str| -> Vec<String> {
        let reads = blog.get(path).reads;
        assert!(reads.iter().all(|read| read.took.ends_with(" ms")));
        reads.into_iter().map(|read| read.label).collect()
    };
    assert_eq!(labels("/"), ["latest posts", "authors"]);
    assert_eq!(labels("/posts/1"), ["post", "comments"]);
    assert_eq!(labels("/authors/1"), ["author", "posts of the author"]);
    assert_eq!(labels("/posts/77"), ["post"]);
    assert!(labels("/posts/new").is_empty());
}

#[test]
fn a_comment_is_there_at_once() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/posts/1");
    let answer = blog.comment(1, "Barbara", "Is it there?");
    assert_eq!(answer.status, 303);
    assert_eq!(answer.location.as_deref(), Some("/posts/1#comments"));

    let page = blog.get("/posts/1");
    assert!(page.main().contains("Barbara") && page.main().contains("Is it there?"));
    assert_eq!(page.reads[0].kind, "hit", "the post is the same");
    assert_ne!(page.reads[1].kind, "hit", "its comments are not");
    assert_eq!(page.main(), blog.settled("/posts/1").main());
}

#[test]
fn a_post_is_on_all_its_pages_at_once() {
    let place = place();
    let blog = Blog::start(&place);
    for path in ["/", "/authors/1", "/authors/2"] {
        blog.settled(path);
    }
    let answer = blog.write("Ada", "A fourth post", "Its text.");
    assert_eq!(answer.status, 303);
    for path in ["/", "/authors/1", &answer.location.unwrap()] {
        assert!(blog.get(path).main().contains("A fourth post"), "{path}");
    }

    let answer = blog.write("Katherine", "A fifth post", "By somebody new.");
    assert_eq!(answer.status, 303);
    let front = blog.get("/");
    assert!(front.main().contains("A fifth post"));
    assert_eq!(front.main().matches(">Katherine</a>").count(), 2);
    let at = front.main().split("/authors/").last().unwrap();
    let id = at.split('"').next().unwrap();
    assert!(
        blog.get(&format!("/authors/{id}"))
            .main()
            .contains("A fifth post")
    );
}

#[test]
fn a_page_that_was_missing_is_there_at_once() {
    let place = place();
    let blog = Blog::start(&place);
    // That there is none is cached as well.
    let missing = blog.settled("/posts/4");
    assert_eq!((missing.status, missing.kinds()), (404, vec!["hit"]));
    let answer = blog.write("Ada", "A fourth post", "Its text.");
    assert_eq!(answer.location.as_deref(), Some("/posts/4"));
    let page = blog.get("/posts/4");
    assert_eq!(page.status, 200);
    assert!(page.main().contains("A fourth post"));
}

#[test]
fn what_is_unknown_is_not_found() {
    let place = place();
    let blog = Blog::start(&place);
    for path in [
        "/posts/77",
        "/posts/0",
        "/posts/-1",
        "/posts/99999999999",
        "/posts/first",
        "/posts/1/comments/1",
        "/authors/77",
        "/authors/Ada",
        "/favicon.ico",
    ] {
        let page = blog.get(path);
        assert_eq!(page.status, 404, "{path}");
        assert!(page.main().contains("Not found"), "{path}");
    }
    assert_eq!(blog.get("/posts").status, 405);
    assert_eq!(blog.comment(77, "Ada", "Hello?").status, 404);
}
