with paid as (

    select order_id, sum(amount) as amount
    from {{ ref('stg_payments') }}
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.order_date,
    orders.status,
    coalesce(paid.amount, 0) as amount
from {{ ref('stg_orders') }} as orders
left join paid on orders.order_id = paid.order_id
