with ordered as (

    select
        customer_id,
        min(order_date) as first_order,
        max(order_date) as most_recent_order,
        count(*) as number_of_orders,
        sum(amount) as customer_lifetime_value
    from {{ ref('orders') }}
    group by customer_id

)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    ordered.first_order,
    ordered.most_recent_order,
    coalesce(ordered.number_of_orders, 0) as number_of_orders,
    coalesce(ordered.customer_lifetime_value, 0) as customer_lifetime_value
from {{ ref('stg_customers') }} as customers
left join ordered on customers.customer_id = ordered.customer_id
