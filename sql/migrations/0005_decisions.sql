-- The log of decisions: each once, found newest first, and gone after a month.

-- A batch is written again when nobody knows whether its COMMIT went through: what is there already is left out.
drop index tailrace.decision_id;
create unique index decision_id_time on tailrace.decision (id, time);

-- Pages go by time and id within a tenant; of one subject, of all, or of what was denied.
create index decision_tenant_time on tailrace.decision (tenant, time desc, id desc);
create index decision_subject_time on tailrace.decision (tenant, subject, time desc, id desc);
create index decision_denied_time on tailrace.decision (tenant, time desc, id desc) where not allowed;

-- Chunks are dropped whole. They are not compressed: compressing one cannot be cut into steps, and the embedded engine
-- would hold its session for seconds.
select add_retention_policy('tailrace.decision', drop_after => interval '30 days',
  schedule_interval => interval '1 hour');
