//! What a visitor does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::page::Page;
use super::place::Place;
use super::{Blog, PATIENCE};

/// What a redirect says is looked at, not followed.
pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

impl Blog {
    pub(crate) fn get(&self, path: &str) -> Page {
        let url = format!("{}{path}", self.url);
        page(self.agent.get(&url).call())
    }

    /// The sitemap, and what `Cache-Status` says of it.
    pub(crate) fn sitemap(&self) -> (String, String) {
        let url = format!("{}/sitemap.xml", self.url);
        let mut answer = self.agent.get(&url).call().unwrap();
        assert_eq!(answer.status(), 200);
        let status = answer.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        (answer.body_mut().read_to_string().unwrap(), status)
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let url = format!("{}{path}", self.url);
        page(self.agent.post(&url).send_form(fields.iter().copied()))
    }

    pub(crate) fn send(&self, path: &str, kind: &str, body: &[u8]) -> Page {
        let url = format!("{}{path}", self.url);
        page(self.agent.post(&url).content_type(kind).send(body))
    }

    pub(crate) fn send_form(&self, path: &str, body: &[u8]) -> Page {
        self.send(path, "application/x-www-form-urlencoded", body)
    }

    pub(crate) fn comment(&self, post: i32, name: &str, body: &str) -> Page {
        let path = format!("/posts/{post}/comments");
        self.post(&path, &[("name", name), ("body", body)])
    }

    pub(crate) fn write(&self, name: &str, title: &str, body: &str) -> Page {
        let fields = [("name", name), ("title", title), ("body", body)];
        self.post("/posts", &fields)
    }

    /// Views a page until all of it is cached: a store that is new begins by bypassing, and what
    /// was just written may still be under way.
    pub(crate) fn settled(&self, path: &str) -> Page {
        self.get_until(path, |kind| kind == "hit")
    }

    /// Views a page until none of its reads is bypassed.
    pub(crate) fn rested(&self, path: &str) -> Page {
        self.get_until(path, |kind| kind != "bypass")
    }

    fn get_until(&self, path: &str, good: impl Fn(&str) -> bool) -> Page {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.get(path);
            if page.kinds().into_iter().all(&good) && !page.reads.is_empty() {
                return page;
            }
            assert!(Instant::now() < deadline, "{:?}", page.reads);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until nothing is written any more.
    pub(crate) fn at_rest(&self, place: &Place) {
        let count = || place.count("SELECT count(*) AS n FROM comments");
        let mut before = count();
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = count();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Sends a comment, and hangs up before, while or after it is written.
    pub(crate) fn comment_and_leave(&self, post: i32, body: &str, number: u64) {
        self.ask_and_leave(&request(post, body), number);
    }

    /// Asks for a page, and hangs up before, while or after it is made.
    pub(crate) fn view_and_leave(&self, path: &str, number: u64) {
        self.ask_and_leave(
            &format!("GET {path} HTTP/1.1\r\nHost: blog\r\n\r\n"),
            number,
        );
    }

    fn ask_and_leave(&self, request: &str, number: u64) {
        let mut connection = self.connect();
        connection.write_all(request.as_bytes()).unwrap();
        thread::sleep(Duration::from_micros(number * 400));
    }

    /// Sends all but the end of a comment.
    pub(crate) fn half_a_comment(&self, post: i32, body: &str) -> Half {
        let mut connection = self.connect();
        let request = request(post, body);
        let (first, last) = request.split_at(request.len() - 1);
        connection.write_all(first.as_bytes()).unwrap();
        // So that the request has arrived before whatever comes next.
        thread::sleep(Duration::from_millis(300));
        Half {
            connection,
            last: last.to_owned(),
        }
    }

    fn connect(&self) -> TcpStream {
        let address = self.url.strip_prefix("http://").unwrap();
        let connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }
}

/// A request whose end is missing.
#[derive(Debug)]
pub(crate) struct Half {
    connection: TcpStream,
    last: String,
}

impl Half {
    /// Sends the end. Returns the whole answer.
    pub(crate) fn rest(mut self) -> String {
        self.connection.write_all(self.last.as_bytes()).unwrap();
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// A comment's request, word for word.
fn request(post: i32, body: &str) -> String {
    let body = format!("name=Ada&body={}", body.replace(' ', "+"));
    format!(
        "POST /posts/{post}/comments HTTP/1.1\r\nHost: blog\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn page(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Page {
    let mut answer = answer.unwrap();
    let location = answer.headers().get("location");
    let location = location.map(|value| value.to_str().unwrap().to_owned());
    let html = answer.body_mut().read_to_string().unwrap();
    Page::new(answer.status().as_u16(), location, html)
}
