//! PostgreSQL's functions.

use super::Functions;

pub(super) const FUNCTIONS: Functions = Functions {
    pure: &[
        MATH, TEXT, TIME, AGGREGATES, JSON, ARRAYS, SEARCH, OTHERS, TYPES, EXTENSIONS,
    ],
    volatile: &[CLOCKS, SEQUENCES, LOCKS, CATALOGUE],
    session: &[
        "current_database current_catalog current_query current_role current_schema current_schemas \
        current_setting current_user inet_client_addr inet_client_port inet_server_addr inet_server_port \
        pg_backend_pid pg_my_temp_schema session_user set_config system_user user",
    ],
    volatile_keywords: "current_date current_time current_timestamp localtime localtimestamp",
    session_keywords: "current_catalog current_role current_schema current_user session_user system_user user",
    structure: "any array asymmetric lateral offset row similar some symmetric to variadic within",
};

const MATH: &str = "abs acos acosd acosh asin asind asinh atan atan2 atan2d atand atanh bit_count cbrt ceil ceiling \
    cos cosd cosh cot cotd degrees div erf erfc exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi \
    power pow radians round scale sign sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket int4pl int4mi \
    numeric_inc crc32 crc32c";

const TEXT: &str = "ascii bit_length btrim casefold char_length character_length chr concat concat_ws convert \
    convert_from convert_to decode encode format get_bit get_byte initcap left length lower lpad ltrim md5 normalize \
    octet_length overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr \
    regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr \
    repeat replace reverse right rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 split_part starts_with \
    string_to_array string_to_table strpos substr substring to_ascii to_bin to_char to_date to_hex to_number to_oct \
    to_timestamp translate trim unistr unicode_assigned unicode_version icu_unicode_version upper textcat like \
    notlike";

const TIME: &str = "age date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days \
    justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz overlaps \
    timezone";

const AGGREGATES: &str = "any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop \
    covar_samp cume_dist dense_rank every first_value grouping json_agg json_agg_strict json_arrayagg json_objectagg \
    json_object_agg json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict jsonb_agg \
    jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict \
    lag last_value lead max min mode nth_value ntile percent_rank percentile_cont percentile_disc range_agg \
    range_intersect_agg rank regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy \
    regr_syy row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance xmlagg";

const JSON: &str = "array_to_json json json_array json_array_elements json_array_elements_text json_array_length \
    json_build_array json_build_object json_each json_each_text json_exists json_extract_path json_extract_path_text \
    json_object json_object_keys json_populate_record json_populate_recordset json_query json_scalar json_serialize \
    json_strip_nulls json_table json_to_record json_to_recordset json_typeof json_value jsonb jsonb_array_elements \
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_concat jsonb_contains \
    jsonb_delete jsonb_delete_path jsonb_each jsonb_each_text jsonb_exists jsonb_exists_all jsonb_exists_any \
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists \
    jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_populate_record \
    jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record \
    jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb";

const ARRAYS: &str = "array_append array_cat array_dims array_fill array_length array_lower array_ndims \
    array_position array_positions array_prepend array_remove array_replace array_reverse array_sort \
    array_to_string array_upper cardinality generate_series generate_subscripts isempty lower_inc lower_inf \
    multirange range_merge trim_array unnest upper_inc upper_inf int4range int8range numrange tsrange tstzrange \
    daterange int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange";

const SEARCH: &str = "array_to_tsvector json_to_tsvector jsonb_to_tsvector numnode phraseto_tsquery plainto_tsquery \
    querytree setweight strip to_tsquery to_tsvector ts_delete ts_filter ts_headline ts_rank ts_rank_cd \
    tsquery_phrase tsvector_to_array websearch_to_tsquery";

const OTHERS: &str = "coalesce nullif greatest least num_nonnulls num_nulls abbrev broadcast family host hostmask \
    inet_merge inet_same_family macaddr8_set7bit masklen netmask network set_masklen area center diagonal diameter \
    height isclosed isopen npoints pclose popen radius slope width bound_box box circle line lseg path point polygon \
    enum_first enum_last enum_range hashtext hashtextextended merge_action uuid_extract_timestamp \
    uuid_extract_version version xmlcomment xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot \
    xmlserialize xmltable xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xpath \
    xpath_exists pg_typeof pg_column_compression acldefault makeaclitem treat";

/// Types, which stand before a parenthesis too: `varchar(10)`, `date(x)`.
const TYPES: &str = "bigint bit bool boolean bpchar bytea char character cidr date decimal float float4 float8 inet \
    int int2 int4 int8 integer interval macaddr money name national nchar numeric oid precision real smallint text \
    time timestamp timestamptz timetz uuid varbit varchar varying xml";

/// Of the extensions `pg_trgm`, `unaccent`, `citext`, `fuzzystrmatch`, `pgcrypto`, `hstore`,
/// `cube`, `ltree`, `vector`, `intarray`: what depends on its arguments alone.
const EXTENSIONS: &str = "similarity word_similarity strict_word_similarity show_trgm unaccent levenshtein \
    levenshtein_less_equal soundex difference metaphone dmetaphone dmetaphone_alt daitch_mokotoff digest hmac crypt \
    hstore hstore_to_json hstore_to_jsonb hstore_to_array akeys avals skeys svals cube cube_distance ltree nlevel \
    subltree subpath lca text2ltree ltree2text l2_distance cosine_distance inner_product l1_distance vector_dims \
    vector_norm l2_normalize citext vector halfvec uuid_nil uuid_ns_dns \
    uuid_ns_url uuid_generate_v3 uuid_generate_v5";

const CLOCKS: &str = "current_time current_timestamp localtime localtimestamp clock_timestamp gen_random_bytes gen_random_uuid gen_salt now pg_sleep pg_sleep_for \
    pg_sleep_until random random_normal setseed statement_timestamp timeofday transaction_timestamp uuid_generate_v1 \
    uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7 pg_notify pg_listening_channels pg_notification_queue_usage \
    pg_cancel_backend pg_terminate_backend pg_reload_conf pg_conf_load_time pg_postmaster_start_time";

const SEQUENCES: &str = "currval lastval nextval setval pg_current_snapshot pg_current_xact_id \
    pg_current_xact_id_if_assigned pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_visible_in_snapshot \
    pg_xact_status txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xip \
    txid_snapshot_xmax txid_snapshot_xmin txid_status txid_visible_in_snapshot pg_xact_commit_timestamp \
    pg_last_committed_xact pg_export_snapshot pg_trigger_depth pg_sequence_last_value pg_sequence_parameters \
    pg_current_wal_lsn pg_current_wal_insert_lsn pg_current_wal_flush_lsn pg_is_in_recovery \
    pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_wal_lsn_diff pg_walfile_name \
    pg_is_wal_replay_paused pg_switch_wal pg_create_restore_point";

const LOCKS: &str = "pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all \
    pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_lock \
    pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_blocking_pids \
    pg_safe_snapshot_blocking_pids pg_isolation_test_session_is_blocked";

const CATALOGUE: &str = "col_description format_type has_any_column_privilege has_column_privilege \
    has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege \
    has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege \
    has_tablespace_privilege has_type_privilege obj_description pg_char_to_encoding pg_client_encoding \
    pg_collation_actual_version pg_collation_for pg_collation_is_visible pg_column_is_updatable pg_column_size \
    pg_conversion_is_visible pg_database_size pg_describe_object pg_encoding_to_char pg_filenode_relation \
    pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments \
    pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_keywords \
    pg_get_object_address pg_get_partition_constraintdef pg_get_partition_ancestors pg_get_partkeydef \
    pg_get_replica_identity_index pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef pg_get_triggerdef \
    pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object pg_identify_object_as_address \
    pg_index_column_has_property pg_index_has_property pg_indexam_has_property pg_indexes_size \
    pg_is_other_temp_schema pg_ls_dir pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible \
    pg_options_to_table pg_partition_root pg_partition_ancestors pg_partition_tree pg_read_binary_file pg_read_file \
    pg_relation_filenode pg_relation_filepath pg_relation_is_updatable pg_relation_size pg_settings_get_flags \
    pg_show_all_settings pg_size_bytes pg_size_pretty pg_stat_file pg_stat_get_activity pg_stat_reset \
    pg_statistics_obj_is_visible pg_table_is_visible pg_table_size pg_tablespace_databases pg_tablespace_location \
    pg_tablespace_size pg_timezone_abbrevs pg_timezone_names pg_total_relation_size pg_ts_config_is_visible \
    pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible row_security_active \
    shobj_description to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc \
    to_regprocedure to_regrole to_regtype to_regtypemod pg_input_is_valid pg_input_error_info pg_basetype \
    pg_export_snapshot pg_lock_status pg_cursor pg_prepared_statement pg_prepared_xact pg_hba_file_rules";
