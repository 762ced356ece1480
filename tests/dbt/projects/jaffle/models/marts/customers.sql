select customer_id, customer_name, coalesce(orders, 0) as orders, coalesce(total, 0) as total
from {{ ref('stg_customers') }}
left join {{ ref('order_totals') }} using (customer_id)
