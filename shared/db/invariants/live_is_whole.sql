-- A live image has a manifest, a config and a layer, and every chunk of its layer lies inside a live pack.
select i.id || ' lacks ' || k.kind
from image i cross join (values ('manifest'), ('config'), ('layer')) as k (kind)
where i.state = 'live' and not exists (select 1 from image_served v where v.image_id = i.id and v.kind = k.kind)
union all
select i.id || ' has no recipe for ' || v.digest
from image i join image_served v on v.image_id = i.id and v.kind = 'layer'
where i.state = 'live' and not exists (select 1 from recipe r where r.digest = v.digest)
union all
select i.id || ' lacks document ' || v.digest
from image i join image_served v on v.image_id = i.id and v.kind <> 'layer'
where i.state = 'live' and not exists (select 1 from document d where d.digest = v.digest)
union all
select i.id || ' uses chunk ' || u.id || ' that is in no live pack'
from image i join image_served v on v.image_id = i.id and v.kind = 'layer'
join recipe r on r.digest = v.digest, unnest(r.chunks) as u (id)
where i.state = 'live' and not exists (
    select 1 from chunk c join pack p on p.id = c.pack_id
    where c.id = u.id and p.state = 'live' and c."offset" + c.length <= p.size)
