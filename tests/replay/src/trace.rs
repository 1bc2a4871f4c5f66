//! The format of traces.
//!
//! A trace is text, one JSON object per line: a header with the parameters that it was made
//! with, then the rows that the tables begin with, ascending by their ids, then the operations.
//!
//! ```text
//! {"t":"h","format":1,"params":{...}}
//! {"t":"i","table":"authors","row":[id,name]}
//! {"t":"i","table":"posts","row":[id,author_id,title,body,views,published]}
//! {"t":"i","table":"comments","row":[id,post_id,author_id,body]}
//! {"t":"r","k":"post_by_pk","id":7}
//! {"t":"w","k":"update_title","id":7,"title":"new"}
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::models::{Author, Comment, Post};

/// The format that is understood.
const FORMAT: u64 = 1;

/// A trace.
#[derive(Debug)]
pub(crate) struct Trace {
    /// What it was made with.
    pub(crate) params: Value,
    pub(crate) authors: Vec<Author>,
    pub(crate) posts: Vec<Post>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) operations: Vec<Operation>,
}

/// What the application does next.
#[derive(Debug)]
pub(crate) enum Operation {
    Read(Read),
    Write(Write),
}

/// A read.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub(crate) enum Read {
    /// A post.
    PostByPk { id: i32 },
    /// The 20 latest posts of an author that are published.
    AuthorPosts { author_id: i32 },
    /// How many comments a post has.
    CommentCount { post_id: i32 },
    /// The comments of a post, with the names of those who wrote them.
    PostComments { post_id: i32 },
    /// The 20 latest posts.
    LatestPosts,
}

impl Read {
    /// What the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PostByPk { .. } => "post_by_pk",
            Self::AuthorPosts { .. } => "author_posts",
            Self::CommentCount { .. } => "comment_count",
            Self::PostComments { .. } => "post_comments",
            Self::LatestPosts => "latest_posts",
        }
    }
}

/// A write.
#[derive(Debug, Deserialize)]
#[serde(tag = "k", rename_all = "snake_case")]
pub(crate) enum Write {
    UpdateTitle {
        id: i32,
        title: String,
    },
    BumpViews {
        id: i32,
    },
    InsertComment(Comment),
    /// The comment is there.
    DeleteComment {
        id: i32,
    },
    /// All posts of the author.
    BulkPublish {
        author_id: i32,
        published: bool,
    },
    RenameAuthor {
        id: i32,
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "t")]
enum Line {
    #[serde(rename = "h")]
    Header { format: u64, params: Value },
    #[serde(rename = "i")]
    Initial(Initial),
    #[serde(rename = "r")]
    Read(Read),
    #[serde(rename = "w")]
    Write(Write),
}

#[derive(Deserialize)]
#[serde(tag = "table", content = "row", rename_all = "snake_case")]
enum Initial {
    Authors((i32, String)),
    Posts((i32, i32, String, String, i32, bool)),
    Comments((i32, i32, i32, String)),
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// If the file cannot be read, or what is in it is no trace.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: String| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        Self::of(BufReader::new(file)).map_err(failed)
    }

    fn of(text: impl BufRead) -> Result<Self, String> {
        let mut trace = Self {
            params: Value::Null,
            authors: Vec::new(),
            posts: Vec::new(),
            comments: Vec::new(),
            operations: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            let failed = |error: String| format!("line {}: {error}", at + 1);
            let line = line.map_err(|error| failed(error.to_string()))?;
            let line = serde_json::from_str(&line).map_err(|error| failed(error.to_string()))?;
            if (at == 0) != matches!(line, Line::Header { .. }) {
                return Err(failed("the header is the first line, and no other".into()));
            }
            trace.add(line).map_err(failed)?;
        }
        Ok(trace)
    }

    fn add(&mut self, line: Line) -> Result<(), String> {
        match line {
            Line::Header { format, params } if format == FORMAT => self.params = params,
            Line::Header { format, .. } => return Err(format!("the format {format} is unknown")),
            Line::Initial(Initial::Authors((id, name))) => self.authors.push(Author { id, name }),
            Line::Initial(Initial::Posts((id, author_id, title, body, views, published))) => {
                self.posts.push(Post {
                    id,
                    author_id,
                    title,
                    body,
                    views,
                    published,
                });
            }
            Line::Initial(Initial::Comments((id, post_id, author_id, body))) => {
                self.comments.push(Comment {
                    id,
                    post_id,
                    author_id,
                    body,
                });
            }
            Line::Read(read) => self.operations.push(Operation::Read(read)),
            Line::Write(write) => self.operations.push(Operation::Write(write)),
        }
        Ok(())
    }
}
