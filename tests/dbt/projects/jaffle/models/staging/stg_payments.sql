select order_id, paid from {{ source('payments', 'payments') }}
