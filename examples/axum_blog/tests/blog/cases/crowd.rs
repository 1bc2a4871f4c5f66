//! Many visitors at once, and some who leave before they are served.

use std::thread;

use super::place;
use crate::support::Blog;

#[test]
fn everybody_sees_their_own_comment_at_once() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/posts/1");
    thread::scope(|scope| {
        for visitor in 0..6 {
            let blog = &blog;
            scope.spawn(move || {
                for number in 0..10 {
                    let text = format!("visitor {visitor}, comment {number}.");
                    assert_eq!(blog.comment(1, "Ada", &text).status, 303);
                    let page = blog.get("/posts/1");
                    assert!(page.main().contains(&text), "{text} is missing");
                }
            });
        }
    });
    assert_eq!(
        blog.settled("/posts/1").main().matches("visitor ").count(),
        60
    );
}

#[test]
fn who_leaves_early_leaves_no_stale_page_behind() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/posts/1");
    thread::scope(|scope| {
        for visitor in 0..6 {
            let blog = &blog;
            scope.spawn(move || {
                for number in 0..20 {
                    blog.comment_and_leave(1, &format!("rude {visitor}, {number}."), number);
                    blog.view_and_leave("/posts/1", number);
                    assert_eq!(blog.get("/posts/1").status, 200);
                }
            });
        }
    });
    // A comment that is not on the page was not written, once all is at rest.
    blog.at_rest(&place);
    let page = blog.settled("/posts/1");
    let written = place.count("SELECT count(*) AS n FROM comments WHERE post_id = 1");
    assert_eq!(page.main().matches("class=\"comment\"").count(), written);
    // And the blog goes on.
    assert_eq!(blog.comment(1, "Ada", "after all").status, 303);
    assert!(blog.get("/posts/1").main().contains("after all"));
}
