-- What a hub is counted to use is what its stored images use.
select coalesce(counted.hub_id, true_use.hub_id) || ' chunk ' || coalesce(counted.chunk_id, true_use.chunk_id)
from hub_chunk counted
full join (
    select i.hub_id, u.chunk_id, count(*) as images
    from (select distinct v.image_id, w.id as chunk_id from image_served v join recipe r on r.digest = v.digest,
        unnest(r.chunks) as w (id)) u join image i on i.id = u.image_id
    group by i.hub_id, u.chunk_id
) true_use on true_use.hub_id = counted.hub_id and true_use.chunk_id = counted.chunk_id
where counted.images is distinct from true_use.images
