-- Reclaiming more than whole packs, and looking after what is kept.

-- A pack that the pruner writes belongs to no image, but for a while to a pruner.
alter table pack alter column image_id drop not null;
alter table pack alter column attempt drop not null;
alter table pack add column lease_until timestamptz;

-- BLAKE3 of the compressed bytes: what a scrub reads must be what was written. Null for what was stored before there were any.
alter table chunk add column sum bytea;
-- Read back as something else. Nobody is given it any more, and who stores the same content again heals it.
alter table chunk add column damaged boolean not null default false;
create index chunk_damaged on chunk (pack_id) where damaged;

alter table pack add column scrubbed_at timestamptz;
create index pack_scrub on pack (scrubbed_at nulls first) where state = 'live';
