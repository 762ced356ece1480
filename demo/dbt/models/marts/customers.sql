with customer_orders as (

    select
        customer_id,
        min(ordered_at) as first_order_at,
        max(ordered_at) as most_recent_order_at,
        count(*) as number_of_orders,
        sum(amount) filter (status not in ('returned', 'cancelled')) as lifetime_value
    from {{ ref('orders') }}
    group by customer_id

)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    customers.email,
    customers.company,
    customers.customer_since,
    jaffle.customer_id is not null as is_jaffle_customer,
    managers.account_manager,
    customer_orders.first_order_at,
    customer_orders.most_recent_order_at,
    coalesce(customer_orders.number_of_orders, 0) as number_of_orders,
    coalesce(customer_orders.lifetime_value, 0) as lifetime_value
from {{ ref('stg_customers') }} as customers
left join customer_orders on customers.customer_id = customer_orders.customer_id
left join {{ ref('stg_jaffle_customers') }} as jaffle on customers.customer_id = jaffle.customer_id
left join {{ ref('stg_account_managers') }} as managers
    on customers.customer_id % 2 + 1 = managers.account_manager_id
