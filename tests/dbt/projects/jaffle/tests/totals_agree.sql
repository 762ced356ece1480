{{ config(meta={'dagster': {'ref': {'name': 'customers'}}}) }}
select 1 as differs
where (select sum(total) from {{ ref('customers') }}) <> (select sum(amount) from {{ ref('orders') }})
