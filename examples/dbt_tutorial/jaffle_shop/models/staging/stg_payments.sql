select
    id as payment_id,
    order_id,
    payment_method,
    -- the seed counts in cents
    (amount / 100.0)::decimal(12, 2) as amount
from {{ ref('raw_payments') }}
