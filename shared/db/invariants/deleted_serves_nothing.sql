-- What is deleted serves nothing and holds nothing.
select i.id from image i where i.state = 'deleted' and exists (select 1 from image_served v where v.image_id = i.id)
