//! How it starts, fails and ends.

use super::place;
use crate::support::{Blog, Signal};

#[test]
fn an_error_of_the_database_stays_in_the_log() {
    let place = place();
    let blog = Blog::start(&place);
    place.run("ALTER TABLE comments RENAME TO gone");
    for _ in 0..2 {
        let page = blog.get("/posts/1");
        assert_eq!(page.status, 500);
        assert!(page.main().contains("Something went wrong"));
        for word in ["gone", "SELECT", "relation", "no such table"] {
            assert!(!page.html.contains(word), "{}", page.html);
        }
    }
    assert!(blog.log().contains("comments"), "{}", blog.log());
    // It has not taken the rest with it.
    assert_eq!(blog.get("/").status, 200);
    place.run("ALTER TABLE gone RENAME TO comments");
    assert_eq!(blog.settled("/posts/1").status, 200);
}

#[test]
fn a_blog_outlives_its_process() {
    let place = place();
    for (number, signal) in [Signal::TERM, Signal::INT].into_iter().enumerate() {
        let blog = Blog::start(&place);
        let text = format!("comment {number}");
        blog.settled("/posts/1");
        assert_eq!(blog.comment(1, "Ada", &text).status, 303);
        let (status, log) = blog.end(signal);
        assert!(status.success(), "{status}: {log}");
        assert_eq!(log, "");
    }
    let blog = Blog::start(&place);
    let page = blog.get("/posts/1");
    assert!(page.main().contains("comment 0") && page.main().contains("comment 1"));
    let posts = blog.get("/").main().matches("/posts/").count();
    assert_eq!(posts, 3, "those of the beginning are not planted again");
}

#[test]
fn who_is_being_served_is_served_to_the_end() {
    let place = place();
    let blog = Blog::start(&place);
    let half = blog.half_a_comment(1, "the last one");
    blog.signal(Signal::TERM);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(half.rest().starts_with("HTTP/1.1 303 "));
    let (status, log) = blog.ended();
    assert!(status.success(), "{status}: {log}");
    let page = Blog::start(&place).get("/posts/1");
    assert!(page.main().contains("the last one"));
}
