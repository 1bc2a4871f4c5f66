//! What visitors send.

use super::place;
use crate::support::Blog;

#[test]
fn an_empty_form_is_answered_by_what_is_missing() {
    let place = place();
    let blog = Blog::start(&place);
    blog.settled("/");
    blog.settled("/posts/1");
    let answer = blog.comment(1, "  ", "");
    assert_eq!(answer.status, 422);
    for problem in ["Please fill in your name.", "Please fill in the comment."] {
        assert!(answer.main().contains(problem), "{}", answer.main());
    }
    let answer = blog.post("/posts", &[("title", "Only a title")]);
    assert_eq!(answer.status, 422);
    for text in ["fill in your name", "fill in the text", "Only a title"] {
        assert!(answer.main().contains(text), "{}", answer.main());
    }
    // Nothing was written.
    assert_eq!(blog.get("/").kinds(), ["hit", "hit"]);
    assert_eq!(blog.get("/posts/1").kinds(), ["hit", "hit"]);
}

#[test]
fn a_text_that_is_too_long_is_kept_and_not_written() {
    let place = place();
    let blog = Blog::start(&place);
    let title = "ü".repeat(121);
    let answer = blog.write("Ada", &title, "A text.");
    assert_eq!(answer.status, 422);
    assert!(
        answer
            .main()
            .contains("it has 121 characters, and 120 are allowed")
    );
    assert!(answer.main().contains(&title));
    assert!(!blog.get("/").main().contains(&title));
    assert_eq!(blog.write("Ada", &"ü".repeat(120), "A text.").status, 303);
}

#[test]
fn what_is_no_form_is_refused() {
    let place = place();
    let blog = Blog::start(&place);
    let path = "/posts/1/comments";
    let refused = [
        (415, blog.send(path, "application/json", b"{}")),
        (422, blog.send_form(path, b"name=a&name=b&body=c")),
        (413, blog.send_form(path, &vec![b'a'; (256 << 10) + 1])),
        (422, blog.comment(1, "Ada", "no\0thing")),
    ];
    for (status, answer) in refused {
        assert_eq!(answer.status, status, "{}", answer.html);
        assert!(answer.html.contains("</footer>"), "a page of the blog");
    }
    // Bytes that are no text become some.
    assert_eq!(blog.send_form(path, b"name=%FF&body=c").status, 303);
    assert_eq!(blog.get("/posts/1").status, 200);
}

#[test]
fn markup_is_text() {
    let place = place();
    let blog = Blog::start(&place);
    let script = "<script>alert('x')</script>";
    let breakout = "\"><img src=x onerror=alert(1)>";
    assert_eq!(blog.comment(1, breakout, script).status, 303);
    assert_eq!(blog.write(script, breakout, "</textarea>").status, 303);
    let pages = [
        blog.get("/posts/1"),
        blog.get("/posts/4"),
        blog.get("/"),
        blog.get("/authors/3"),
        // Shown again, in attributes and in the field.
        blog.comment(1, breakout, &format!("</textarea>{script}").repeat(999)),
        blog.write(breakout, breakout, ""),
    ];
    for page in pages {
        assert!(page.html.contains("alert("), "{}", page.html);
        assert!(!page.html.contains("<script"), "{}", page.html);
        assert!(!page.html.contains("<img"), "{}", page.html);
        assert!(page.html.matches("</textarea>").count() <= 1);
    }
}
