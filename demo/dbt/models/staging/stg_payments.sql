select
    payment_id,
    order_id,
    method as payment_method,
    -- The provider counts in cents. Times 0.01, not by 100: a product of decimals is exact.
    cast(amount_cents * 0.01 as decimal(12, 2)) as amount,
    paid_at
from {{ source('api', 'payments') }}
