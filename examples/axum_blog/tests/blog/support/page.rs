//! What a visitor gets.

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where a redirect leads.
    pub(crate) location: Option<String>,
    pub(crate) html: String,
    /// What its foot tells.
    pub(crate) reads: Vec<Read>,
}

/// One line of a foot.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) label: String,
    pub(crate) kind: String,
    pub(crate) detail: String,
    pub(crate) took: String,
}

impl Page {
    pub(crate) fn new(status: u16, location: Option<String>, html: String) -> Self {
        let rows = html.split("<tr>").skip(1).map(|row| {
            // The texts between the tags of the four cells.
            let texts: Vec<&str> = row
                .split('>')
                .filter_map(|part| part.split_once("</t"))
                .map(|(text, _)| text)
                .collect();
            Read {
                label: texts[0].to_owned(),
                kind: texts[1].to_owned(),
                detail: texts[2].to_owned(),
                took: texts[3].to_owned(),
            }
        });
        let reads = rows.collect();
        Self {
            status,
            location,
            html,
            reads,
        }
    }

    /// `hit`, `miss` or `bypass`, of each read.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.reads.iter().map(|read| read.kind.as_str()).collect()
    }

    /// What stands between head and foot.
    pub(crate) fn main(&self) -> &str {
        let after = self.html.split_once("<main>").unwrap().1;
        after.split_once("</main>").unwrap().0
    }
}
