-- An image for several platforms serves an index over flat manifests, and what a hub has flattened once is known.
alter table image add column platforms text[] not null default '{}';

alter table image_served drop constraint image_served_kind_check;
alter table image_served add constraint image_served_kind_check
    check (kind in ('index', 'manifest', 'config', 'layer'));

-- What came of flattening a source. It belongs to a hub: another hub fetches the same bytes once itself.
create table flattened (
    hub_id text not null references hub,
    -- digest of one platform's manifest, or of an archive and what was taken from it
    source text not null,
    codec text not null,
    -- version of the flattening rules: other rules may give other bytes
    rules integer not null,
    recipe text not null references recipe (digest) on delete cascade,
    figures jsonb not null,
    warnings jsonb not null,
    primary key (hub_id, source, codec, rules)
);

create index flattened_recipe on flattened (recipe);
