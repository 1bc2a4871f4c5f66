//! A page that is cached as a whole.

use std::thread;
use std::time::{Duration, Instant};

use super::place;
use crate::support::{Blog, PATIENCE};

/// Asks for it until it was found.
fn found(blog: &Blog) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (sitemap, status) = blog.sitemap();
        if status == "diesel-cache; hit" {
            return sitemap;
        }
        assert!(Instant::now() < deadline, "{status}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_sitemap_is_found_until_something_is_written() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/");
    for number in 0..5 {
        let before = found(&blog);
        let host = blog.url.strip_prefix("http://").unwrap();
        assert!(
            before.contains(&format!("<loc>http://{host}/posts/1</loc>")),
            "{before}"
        );
        let title = format!("post {number}");
        assert_eq!(blog.write("Ada", &title, "A text.").status, 303);
        let (after, _) = blog.sitemap();
        let posts = |text: &str| text.matches("/posts/").count();
        assert_eq!(posts(&after), posts(&before) + 1, "{after}");
        // What it does not show leaves it alone.
        found(&blog);
        assert_eq!(blog.comment(1, "Ada", &title).status, 303);
        assert_eq!(blog.sitemap().1, "diesel-cache; hit");
    }
}
