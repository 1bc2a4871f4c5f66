//! From a statement's text to the tags it depends on and touches.
//!
//! A [`Resolver`] is one state of a database's catalogue together with the models
//! that are registered; it remembers what it found for each text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::bypass::Bypass;
use crate::catalogue::{Catalogue, Reads, Writes, may_make_temporaries};
use crate::database::TagSpace;
use crate::dialect::Dialect;
use crate::footprint::{self, Analysis, Name, Step};
use crate::key::Key;
use crate::precision::Key as RowKey;
use crate::strategy::Strategies;
use crate::tag::Tag;

mod explain;
mod keys;
mod precise;

pub use self::keys::{Keys, declarations, declared};
pub use self::precise::{Late, Precise, Refined};

/// How many statement texts are remembered.
const REMEMBERED: usize = 4096;
/// Longer texts are analysed each time.
const LONGEST_REMEMBERED: usize = 16 << 10;
/// Of how many reads with their binds it is remembered what they depend on.
const REFINED: usize = 8192;

/// What is said about a table: by its models, or by the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableSettings {
    /// The shortest time to live that is asked for.
    pub ttl: Option<Duration>,
    /// Whether caching is forbidden.
    pub never: bool,
    /// Whether what was invalidated may be served while it is made anew.
    pub stale_after_write: Option<bool>,
    /// Further tables that reads of the table depend on.
    pub depends_on: BTreeSet<Name>,
    /// What becomes of its results when it is written.
    pub strategies: Strategies,
    /// The versions of its models that have one, by the type of the model.
    pub versions: BTreeMap<&'static str, u32>,
    /// The keys by which its rows are told apart, besides the primary key.
    pub keys: BTreeSet<RowKey>,
}

/// What models and the configuration say about tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// By the models.
    pub declared: HashMap<Name, TableSettings>,
    /// By the configuration.
    pub configured: HashMap<Name, TableSettings>,
}

impl Settings {
    /// What counts for a table: the configuration over the models, save for what is there
    /// for safety. That only adds up.
    #[must_use]
    pub fn of(&self, table: &Name) -> Option<TableSettings> {
        let (declared, configured) = (self.declared.get(table), self.configured.get(table));
        let mut settings = configured.or(declared)?.clone();
        if let (Some(declared), Some(_)) = (declared, configured) {
            settings.ttl = settings.ttl.or(declared.ttl);
            settings.stale_after_write = settings.stale_after_write.or(declared.stale_after_write);
            if let Some(strategies) = self.strategies(table) {
                settings.strategies = strategies.clone();
            }
            settings.versions.clone_from(&declared.versions);
            settings.keys.extend(declared.keys.iter().cloned());
            // rule: what-a-model-forbids-stays-forbidden
            settings.never |= declared.never;
            // rule: declared-dependencies-stay
            settings
                .depends_on
                .extend(declared.depends_on.iter().cloned());
        }
        Some(settings)
    }

    /// A digest of all that is said about those tables and decides what a result is worth;
    /// `None` if nothing is.
    #[must_use]
    pub fn digest(&self, tables: &BTreeSet<Name>) -> Option<[u8; 32]> {
        let said = |table| Some((table, self.of(table)?));
        let mut said = tables.iter().filter_map(said).peekable();
        said.peek()?;
        let mut bytes = Vec::new();
        for (table, settings) in said {
            let depends_on = settings.depends_on.iter().map(AsRef::as_ref);
            encode(std::iter::once(&**table).chain(depends_on), &mut bytes);
            encode_versions(table, &settings, &mut bytes);
            bytes.push(u8::from(settings.never));
            bytes.push(u8::from(settings.strategies.follow_writes()));
            bytes.push(u8::from(settings.strategies.remove()));
        }
        Some(*blake3::hash(&bytes).as_bytes())
    }

    /// The strategies that count for a table, if any is chosen.
    #[must_use]
    pub fn strategies(&self, table: &Name) -> Option<&Strategies> {
        let configured = self.configured.get(table).map(|table| &table.strategies);
        configured
            .filter(|strategies| !strategies.is_empty())
            .or_else(|| self.declared.get(table).map(|table| &table.strategies))
    }

    /// The keys that are declared.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let keys = |table: &Name| Some((table.clone(), self.of(table)?.keys));
        let keys = self.tables().filter_map(keys);
        keys.filter(|(_, keys)| !keys.is_empty()).collect()
    }

    /// The tables that anything is said about.
    pub fn tables(&self) -> impl Iterator<Item = &Name> {
        let undeclared = |table: &&Name| !self.declared.contains_key(*table);
        let configured = self.configured.keys().filter(undeclared);
        self.declared.keys().chain(configured)
    }
}

/// What one statement text reads and writes.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What the text does.
    pub analysis: Arc<Analysis>,
    /// What it reads, if it is one plain read that may be cached; else why not.
    pub read: Result<ReadFootprint, Bypass>,
    /// What it writes.
    pub writes: Writes,
    /// Whether it may return rows of what it writes.
    pub returning: bool,
    /// Whether what it runs may create temporary relations.
    pub temporaries: bool,
    /// Whether it is a `COPY`, whose errors do not tell where they came from.
    pub copies: bool,
    /// What more is known of it, if it is one statement over plain tables.
    pub precise: Option<Arc<Precise>>,
    /// Whether the rows of the table that it writes can be told apart.
    pub has_key: bool,
}

impl Resolved {
    /// A statement of which the catalogue is not known, and what it may write.
    pub(crate) fn without_catalogue(sql: &str, analysis: Analysis, writes: Writes) -> Self {
        Self {
            temporaries: writes.temporaries,
            analysis: Arc::new(analysis),
            read: Err(Bypass::Unidentified),
            writes,
            returning: may_return(sql),
            copies: is_copy(sql),
            precise: None,
            has_key: false,
        }
    }

    /// The same statement, taken for other steps.
    pub(crate) fn taken_for(&self, analysis: Analysis) -> Self {
        Self {
            analysis: Arc::new(analysis),
            ..self.clone()
        }
    }

    /// The same statement, where it may run what is not known.
    #[must_use]
    pub fn anything(&self) -> Self {
        let mut resolved = self.everywhere();
        resolved.read = Err(Bypass::Uncacheable);
        resolved.writes.root = self.writes.root;
        resolved.writes.merge(&Writes::everything());
        resolved.writes.sets = true;
        resolved.writes.temporaries = true;
        resolved.writes.redefines = true;
        resolved.temporaries = true;
        resolved
    }

    /// The same statement, where its tables may be those of any database.
    #[must_use]
    pub fn everywhere(&self) -> Self {
        let mut writes = self.writes.clone();
        writes.root = true;
        Self {
            analysis: Arc::clone(&self.analysis),
            read: Err(Bypass::AttachedDatabase),
            writes,
            returning: self.returning,
            temporaries: self.temporaries,
            copies: self.copies,
            precise: None,
            has_key: false,
        }
    }
}

/// What a read depends on.
#[derive(Debug, Clone)]
pub struct ReadFootprint {
    /// The tables.
    pub reads: Reads,
    /// The tags.
    pub tags: Arc<[Tag]>,
    /// The shortest time to live that is asked for one of the tables.
    pub ttl: Option<Duration>,
    /// Whether all of the tables allow that what was invalidated is served while it is made anew.
    pub stale_after_write: bool,
    /// The versions of the tables' models and what the query adds, in an encoding that no
    /// two lists share.
    pub versions: Arc<[u8]>,
    /// Under which tags the result is to be found when it must be removed at once.
    pub removed_with: Arc<[Tag]>,
    /// Tables that any write to counts for it: declared ones.
    pub declared: BTreeSet<Name>,
    /// Its labels.
    pub labels: Arc<[Name]>,
}

/// One state of a database's catalogue and of the registered models.
#[derive(Debug)]
pub struct Resolver {
    dialect: Dialect,
    space: TagSpace,
    catalogue: Arc<Catalogue>,
    settings: Arc<Settings>,
    pure: Arc<BTreeSet<Name>>,
    /// Whether a routine or a trigger may make temporary relations.
    makes_temporaries: bool,
    /// The keys of tables by which rows are told apart, besides the primary key.
    keys: Arc<Keys>,
    memo: Cache<Box<str>, Arc<Resolved>>,
    refinements: Cache<Key, Arc<Refined>>,
}

impl Resolver {
    /// A resolver that remembers nothing yet.
    #[must_use]
    pub fn new(
        dialect: Dialect,
        space: TagSpace,
        catalogue: Arc<Catalogue>,
        settings: Arc<Settings>,
        pure: Arc<BTreeSet<Name>>,
        keys: Arc<Keys>,
    ) -> Self {
        Self {
            keys,
            refinements: Cache::new(REFINED),
            dialect,
            space,
            makes_temporaries: catalogue.makes_temporaries(),
            catalogue,
            settings,
            pure,
            memo: Cache::new(REMEMBERED),
        }
    }

    /// The keys it goes by.
    #[must_use]
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// The catalogue it goes by.
    #[must_use]
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// What the text reads and writes.
    #[must_use]
    pub fn resolve(&self, sql: &str) -> Arc<Resolved> {
        let text = footprint::normalize(sql, self.dialect);
        if let Some(found) = self.memo.get(text.as_ref()) {
            return found;
        }
        let resolved = Arc::new(self.resolve_anew(&text));
        if text.len() <= LONGEST_REMEMBERED {
            self.memo.insert(text.into(), Arc::clone(&resolved));
        }
        resolved
    }

    /// Whether a text is a read that calls no function of the database's, neither by itself nor
    /// by what it reads: tables, and no views or tables with policies.
    pub(crate) fn read_plain_tables(&self, sql: &str) -> bool {
        let resolved = self.resolve(sql);
        let is_plain = |name: &Name| {
            let found = self.catalogue.get(name);
            found.is_some_and(|relation| {
                relation.views.is_empty()
                    && relation.on_access.is_empty()
                    && !relation.row_security
                    && !relation.uncacheable
            })
        };
        resolved.writes.is_empty()
            && !self.catalogue.calls_unseen(sql)
            && resolved.analysis.steps.iter().all(|step| match step {
                Step::Read(access) => access.relations.iter().all(is_plain),
                _ => true,
            })
    }

    /// What is written when somebody writes a table in one of these ways, by whatever statement.
    pub(crate) fn writes_to(
        &self,
        table: &str,
        kinds: impl IntoIterator<Item = footprint::WriteKind>,
    ) -> Writes {
        self.catalogue.writes_to(table, kinds, &self.pure)
    }

    fn resolve_anew(&self, sql: &str) -> Resolved {
        let analysis = footprint::analyze(sql, self.dialect);
        let calls_unseen = self.catalogue.calls_unseen(sql);
        let read = match analysis.steps.as_slice() {
            [Step::Read(_)] if calls_unseen => Err(Bypass::UnknownFunction),
            [Step::Read(access)] => self
                .catalogue
                .reads(access, &self.pure)
                .and_then(|reads| self.footprint(reads, &BTreeSet::new(), &BTreeSet::new())),
            // A read that changes the session on the way, or several statements at once.
            [Step::Read(access), ..] => Err(access.refusal.map_or(Bypass::NotARead, Bypass::from)),
            _ => Err(Bypass::NotARead),
        };
        let mut writes = self.catalogue.writes(sql, &analysis, &self.pure);
        // rule: a-change-of-the-schema-may-run-what-sets
        // `CREATE TABLE … AS` reads views, a new column has a default.
        let makes = |step: &Step| matches!(step, Step::Ddl | Step::CreateTemporary(_));
        writes.sets |= self.dialect != Dialect::Sqlite && analysis.steps.iter().any(makes);
        // MySQL's functions and triggers cannot change the schema.
        writes.redefines &= self.dialect != Dialect::Mysql;
        // On MySQL, a connection that may have made one never knows again: a text is asked
        // for the words that it takes.
        let may_make =
            self.dialect != Dialect::Mysql || self.makes_temporaries || may_make_temporaries(sql);
        let temporaries = writes.temporaries && may_make;
        let mut resolved = Resolved {
            temporaries,
            writes,
            copies: is_copy(sql),
            returning: may_return(sql),
            analysis: Arc::new(analysis),
            read,
            precise: None,
            has_key: false,
        };
        resolved.precise = self.precise(sql, &resolved).map(Arc::new);
        resolved
    }

    /// The footprint of a read of those tables, and of what the query adds: `extra` ones,
    /// and labels.
    ///
    /// # Errors
    /// If caching is forbidden for one of them.
    pub fn footprint(
        &self,
        mut reads: Reads,
        extra: &BTreeSet<Name>,
        labels: &BTreeSet<Name>,
    ) -> Result<ReadFootprint, Bypass> {
        let mut ttl: Option<Duration> = None;
        // rule: every-table-must-allow-to-be-stale
        let stale_after_write = !reads.tables.is_empty()
            && extra.is_empty()
            && labels.is_empty()
            && reads.tables.iter().all(|table| {
                let settings = self.settings.of(table);
                settings.is_some_and(|table| table.stale_after_write == Some(true))
            });
        let mut declared = extra.clone();
        let mut versions = Vec::new();
        for table in &reads.tables {
            if let Some(settings) = self.settings.of(table) {
                if settings.never {
                    return Err(Bypass::Uncacheable);
                }
                ttl = [ttl, settings.ttl].into_iter().flatten().min();
                encode_versions(table, &settings, &mut versions);
                declared.extend(settings.depends_on);
            }
        }
        // What the query adds has an entry of its own: the same query without it has another.
        // rule: a-result-that-depends-on-more-is-another
        if !(extra.is_empty() && labels.is_empty()) {
            versions.push(b'+');
            for added in [extra, labels] {
                encode(added.iter().map(AsRef::as_ref), &mut versions);
            }
        }
        reads.tables.extend(declared.iter().cloned());
        let labels: Arc<[Name]> = labels.iter().cloned().collect();
        let mut tags = self.read_tags(&reads, &BTreeMap::new());
        tags.extend(labels.iter().map(|label| Tag::label(label)));
        Ok(ReadFootprint {
            tags: tags.into(),
            declared,
            labels,
            removed_with: self.removal_tags(&reads),
            reads,
            ttl,
            stale_after_write,
            versions: versions.into(),
        })
    }

    /// The tags of a read of these tables; of those in `parts`, it depends on no more.
    fn read_tags(&self, reads: &Reads, parts: &BTreeMap<Name, BTreeSet<Tag>>) -> Vec<Tag> {
        let mut tags = vec![
            Tag::root(),
            Tag::database(self.space),
            Tag::schema(self.space),
        ];
        for table in &reads.tables {
            // rule: only-the-ttl-strategy-outlives-writes
            let strategies = self.settings.strategies(table);
            if !strategies.is_none_or(Strategies::follow_writes) {
                continue;
            }
            match parts.get(table) {
                Some(parts) => tags.extend(parts),
                None => tags.push(Tag::any(self.space, table)),
            }
            // By its name it is invalidated by a process that knows no database of it.
            // rule: a-table-is-invalidated-in-unknown-databases
            tags.push(Tag::by_hand(table));
        }
        tags
    }

    fn removal_tags(&self, reads: &Reads) -> Arc<[Tag]> {
        let removed = reads.tables.iter().filter(|table| {
            let strategies = self.settings.strategies(table);
            strategies.is_some_and(Strategies::remove)
        });
        removed.map(|table| Tag::any(self.space, table)).collect()
    }
}

/// Adds the versions of a table's models.
fn encode_versions(table: &str, settings: &TableSettings, bytes: &mut Vec<u8>) {
    for (model, version) in &settings.versions {
        bytes.push(b'v');
        encode([table, model].into_iter(), bytes);
        bytes.extend_from_slice(&version.to_le_bytes());
    }
}

/// Adds a list: how many parts, and each with its length before it.
fn encode<'p>(parts: impl Iterator<Item = &'p str>, bytes: &mut Vec<u8>) {
    let parts: Vec<&str> = parts.collect();
    bytes.extend_from_slice(&(parts.len() as u64).to_le_bytes());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
}

/// Whether the text may return rows of what it writes.
fn may_return(sql: &str) -> bool {
    sql.to_ascii_lowercase().contains("returning")
}

/// Whether the text is a `COPY`.
fn is_copy(sql: &str) -> bool {
    let word = sql.trim_start().get(..4);
    word.is_some_and(|word| word.eq_ignore_ascii_case("copy"))
}

/// The tags that a write touches.
#[must_use]
pub fn write_tags(writes: &Writes, space: Option<TagSpace>) -> Vec<Tag> {
    let mut tags = Vec::new();
    let Some(space) = space else {
        // rule: a-write-to-an-unknown-database-touches-all
        if !writes.is_empty() {
            tags.push(Tag::root());
        }
        return tags;
    };
    if writes.root {
        tags.push(Tag::root());
    }
    if writes.database {
        tags.push(Tag::database(space));
    }
    if writes.schema {
        tags.push(Tag::schema(space));
    }
    // rule: a-write-anywhere-touches-every-named-table
    if writes.database || writes.schema {
        tags.push(Tag::anywhere());
    }
    for table in &writes.tables {
        tags.push(Tag::any(space, table));
        match writes.parts.get(table) {
            Some(parts) => tags.extend(parts),
            None => tags.push(Tag::wide(space, table)),
        }
        tags.push(Tag::named(table));
    }
    tags
}
