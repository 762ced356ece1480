select 1 as differs
where (select sum(orders) from {{ ref('order_days') }}) <> (select count(*) from {{ ref('orders') }})
