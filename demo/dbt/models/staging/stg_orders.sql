select
    order_id,
    customer_id,
    product_id,
    status,
    quantity,
    amount,
    ordered_at,
    shipped_at
from {{ source('replication', 'data_orders') }}
