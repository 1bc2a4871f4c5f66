//! SQLite's functions. Every date and time function accepts `'now'`.

use super::Functions;

pub(super) const FUNCTIONS: Functions = Functions {
    pure: &[SCALARS, MATH, AGGREGATES, JSON, SEARCH, TYPES],
    volatile: &[
        "changes current_date current_time current_timestamp date datetime julianday last_insert_rowid \
        random randomblob sqlite_offset strftime time timediff total_changes unixepoch",
    ],
    session: &[],
    volatile_keywords: "current_date current_time current_timestamp",
    session_keywords: "",
    structure: "",
};

const SCALARS: &str = "abs char coalesce concat concat_ws format glob hex if ifnull iif instr length like likelihood \
    likely lower ltrim max min nullif octet_length printf quote replace round rtrim sign soundex \
    sqlite_compileoption_get sqlite_compileoption_used sqlite_source_id sqlite_version subtype substr substring \
    trim typeof unhex unicode unistr unistr_quote unlikely upper zeroblob raise generate_series";

const MATH: &str = "acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 \
    mod pi pow power radians sin sinh sqrt tan tanh trunc";

const AGGREGATES: &str = "avg count cume_dist dense_rank first_value group_concat lag last_value lead median \
    nth_value ntile percent_rank percentile percentile_cont percentile_disc rank row_number string_agg sum total";

const JSON: &str = "json json_array json_array_insert json_array_length json_each json_error_position json_extract \
    json_group_array json_group_object json_insert json_object json_patch json_pretty json_quote json_remove \
    json_replace json_set json_tree json_type json_valid jsonb jsonb_array jsonb_array_insert jsonb_each \
    jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove \
    jsonb_replace jsonb_set jsonb_tree";

/// Auxiliary functions of full-text tables: they depend on the rows of the table alone.
const SEARCH: &str = "bm25 highlight snippet matchinfo offsets";

/// Types, which stand before a parenthesis too: `varchar(10)`.
const TYPES: &str = "bigint blob boolean character decimal double float int integer nchar numeric nvarchar real \
    smallint text tinyint varchar varying";
