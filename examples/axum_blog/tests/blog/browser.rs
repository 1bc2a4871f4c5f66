//! The blog in a browser.

use fantoccini::{Client, Locator};

use crate::support::driver::browse;
use crate::support::{Blog, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sees_hits_and_what_they_wrote() {
    let blog = Blog::start_alone();
    let url = blog.url.clone();
    browse(|client| async move {
        let visitor = Visitor(client);
        visitor.open(&url).await;
        assert_eq!(visitor.foot().await, ["miss", "miss"]);
        visitor.0.refresh().await.unwrap();
        assert_eq!(visitor.foot().await, ["hit", "hit"]);

        visitor.click("Why this page is right").await;
        assert_eq!(visitor.foot().await, ["miss", "miss"]);
        visitor.0.refresh().await.unwrap();
        assert_eq!(visitor.foot().await, ["hit", "hit"]);

        visitor.fill("#comment [name=name]", "Barbara").await;
        let text = "It is <b>here</b> & now: sch\u{f6}n";
        visitor.fill("#comment [name=body]", text).await;
        visitor.click_at("#comment button").await;
        visitor.wait_for("#comment-4").await;
        let comment = visitor.text("#comment-4").await;
        assert_eq!(comment, format!("Barbara\n{text}"));
        assert_eq!(visitor.foot().await, ["hit", "miss"]);
        // What was sent is not sent again.
        visitor.0.refresh().await.unwrap();
        assert_eq!(visitor.count("li.comment").await, 2);
        assert_eq!(visitor.foot().await, ["hit", "hit"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_post_is_on_the_front_page_and_its_authors() {
    let blog = Blog::start_alone();
    let url = blog.url.clone();
    browse(|client| async move {
        let visitor = Visitor(client);
        for _ in 0..2 {
            visitor.open(&format!("{url}/authors/2")).await;
            visitor.open(&url).await;
        }
        assert_eq!(visitor.foot().await, ["hit", "hit"]);
        assert_eq!(visitor.count("#latest li").await, 3);

        visitor.click("Write a post").await;
        visitor.fill("#post [name=name]", "Grace").await;
        visitor.fill("#post [name=title]", "On compilers").await;
        visitor
            .fill("#post [name=body]", "They write programs.")
            .await;
        visitor.click_at("#post button").await;
        visitor.wait_for("article").await;
        let article = visitor.text("article").await;
        assert_eq!(article, "On compilers\nby Grace\nThey write programs.");

        visitor.click("Blog").await;
        visitor.wait_for("#latest").await;
        assert!(
            visitor
                .text("#latest")
                .await
                .starts_with("On compilers\nby Grace")
        );
        visitor.click("Grace").await;
        visitor.wait_for("#posts").await;
        assert!(visitor.text("#posts").await.starts_with("On compilers"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_a_comment_does_not_run() {
    let blog = Blog::start_alone();
    let script = "<script>document.title = 'run'</script>";
    let image = "<img src=x onerror=\"document.title = 'run'\">";
    assert_eq!(blog.comment(1, image, script).status, 303);
    let url = blog.url.clone();
    browse(|client| async move {
        let visitor = Visitor(client);
        visitor.open(&format!("{url}/posts/1")).await;
        assert_eq!(
            visitor.text("#comment-4").await,
            format!("{image}\n{script}")
        );
        let title = visitor.0.title().await.unwrap();
        assert_eq!(title, "Why this page is fast · Blog");
    })
    .await;
}

struct Visitor(Client);

impl Visitor {
    async fn open(&self, url: &str) {
        self.0.goto(url).await.unwrap();
    }

    async fn click(&self, link: &str) {
        let link = self.0.find(Locator::LinkText(link)).await.unwrap();
        link.click().await.unwrap();
    }

    async fn click_at(&self, selector: &str) {
        let button = self.0.find(Locator::Css(selector)).await.unwrap();
        button.click().await.unwrap();
    }

    async fn fill(&self, selector: &str, text: &str) {
        let field = self.0.find(Locator::Css(selector)).await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn wait_for(&self, selector: &str) {
        let waiting = self.0.wait().at_most(PATIENCE);
        waiting.for_element(Locator::Css(selector)).await.unwrap();
    }

    async fn text(&self, selector: &str) -> String {
        let element = self.0.find(Locator::Css(selector)).await.unwrap();
        element.text().await.unwrap()
    }

    async fn count(&self, selector: &str) -> usize {
        self.0.find_all(Locator::Css(selector)).await.unwrap().len()
    }

    /// What the foot says of each read.
    async fn foot(&self) -> Vec<String> {
        let cells = Locator::Css("#foot td:first-of-type");
        let mut kinds = Vec::new();
        for cell in self.0.find_all(cells).await.unwrap() {
            kinds.push(cell.text().await.unwrap());
        }
        kinds
    }
}
