//! MySQL's and MariaDB's functions.

use super::Functions;

pub(super) const FUNCTIONS: Functions = Functions {
    pure: &[MATH, TEXT, TIME, AGGREGATES, JSON, OTHERS, SPATIAL, TYPES],
    volatile: &[
        "benchmark connection_property curdate current_date current_time current_timestamp curtime \
        found_rows gtid_subset gtid_subtract get_lock is_free_lock is_used_lock last_insert_id lastval load_file \
        localtime localtimestamp master_pos_wait name_const nextval now ps_current_thread_id ps_thread_id rand \
        random_bytes release_all_locks release_lock row_count setval sleep source_pos_wait sys_guid sysdate utc_date \
        utc_time utc_timestamp uuid uuid_short uuid_v4 uuid_v7 wait_for_executed_gtid_set \
        wait_until_sql_thread_after_gtids",
    ],
    session: &[
        "connection_id current_role current_user database icu_version roles_graphml schema session_user \
        system_user user",
    ],
    volatile_keywords: "current_date current_time current_timestamp localtime localtimestamp utc_date utc_time \
        utc_timestamp sysdate",
    session_keywords: "current_user current_role",
    structure: "any binary div index interval key lateral match partition regexp rlike row some straight_join to xor",
};

const MATH: &str = "abs acos asin atan atan2 bit_count ceil ceiling conv cos cot crc32 crc32c degrees exp floor ln \
    log log10 log2 mod oct pi pow power radians round sign sin sqrt tan truncate format_bytes format_pico_time";

const TEXT: &str = "aes_decrypt aes_encrypt ascii bin bit_length char char_length character_length charset \
    coercibility collation compress concat concat_ws convert decode des_decrypt des_encrypt elt encode encrypt \
    export_set field find_in_set format from_base64 hex insert instr lcase left length locate lower lpad ltrim \
    make_set md5 mid natural_sort_key octet_length old_password ord password position quote regexp_instr \
    regexp_like regexp_replace regexp_substr repeat replace reverse right rpad rtrim sformat sha sha1 sha2 soundex \
    space statement_digest statement_digest_text strcmp substr substring substring_index to_base64 to_char trim \
    ucase uncompress uncompressed_length unhex upper validate_password_strength weight_string";

const TIME: &str = "adddate addtime add_months convert_tz date date_add date_format date_sub datediff day dayname \
    dayofmonth dayofweek dayofyear extract from_days from_unixtime get_format hour last_day makedate maketime \
    microsecond minute month monthname period_add period_diff quarter sec_to_time second str_to_date subdate \
    subtime time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_days to_seconds \
    unix_timestamp week weekday weekofyear year yearweek";

const AGGREGATES: &str = "any_value avg bit_and bit_or bit_xor count cume_dist dense_rank first_value group_concat \
    grouping json_arrayagg json_objectagg lag last_value lead max median min nth_value ntile percent_rank \
    percentile_cont percentile_disc rank row_number std stddev stddev_pop stddev_samp sum var_pop var_samp variance";

const JSON: &str = "json_array json_array_append json_array_insert json_array_intersect json_compact json_contains \
    json_contains_path json_depth json_detailed json_equals json_exists json_extract json_insert json_key_value \
    json_keys json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object \
    json_object_filter_keys json_object_to_array json_overlaps json_pretty json_query json_quote json_remove \
    json_replace json_schema_valid json_schema_validation_report json_search json_set json_storage_free \
    json_storage_size json_table json_type json_unquote json_valid json_value";

const OTHERS: &str = "bin_to_uuid cast coalesce default greatest if ifnull inet6_aton inet6_ntoa inet_aton inet_ntoa \
    is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid isnull least nullif nvl nvl2 uuid_to_bin values version \
    extractvalue updatexml row decode_oracle vec_distance vec_distance_cosine vec_distance_euclidean vec_fromtext \
    vec_totext string_to_vector vector_to_string vector_dim";

const SPATIAL: &str = "geometrycollection linestring mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals \
    mbrintersects mbroverlaps mbrtouches mbrwithin multilinestring multipoint multipolygon point polygon st_area \
    st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_buffer_strategy st_centroid st_contains \
    st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint \
    st_envelope st_equals st_exteriorring st_geohash st_geomfromgeojson st_geomfromtext st_geomfromwkb \
    st_geometryn st_geometrytype st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple \
    st_isvalid st_latfromgeohash st_latitude st_length st_longfromgeohash st_longitude st_makeenvelope \
    st_numgeometries st_numinteriorring st_numpoints st_overlaps st_pointfromgeohash st_pointfromtext st_pointn \
    st_simplify st_srid st_startpoint st_swapxy st_symdifference st_touches st_transform st_union st_validate \
    st_within st_x st_y";

/// Types, which stand before a parenthesis too: `varchar(10)`.
const TYPES: &str = "bigint bit blob character datetime dec decimal double fixed float int integer mediumint nchar \
    numeric nvarchar real signed smallint text tinyint unsigned varbinary varchar";
