-- Rows of rollups are found by series and bucket. TimescaleDB makes an index by bucket alone for its own refresh, which
-- nobody calls: another insertion for every row of a rollup.
do $$
declare
  i regclass;
begin
  for i in
    select x.indexrelid from pg_index x
    join _timescaledb_catalog.hypertable h on format('%I.%I', h.schema_name, h.table_name)::regclass = x.indrelid
    join _timescaledb_catalog.continuous_agg c on c.mat_hypertable_id = h.id and c.user_view_schema = 'tailrace'
    where x.indnkeyatts = 1 and pg_get_indexdef(x.indexrelid, 1, true) = 'bucket'
  loop
    execute format('drop index %s', i);
  end loop;
end $$;
