select order_id, customer_id, ordered_on, amount, coalesce(paid, false) as paid
from {{ ref('stg_orders') }}
left join {{ ref('stg_payments') }} using (order_id)
{% if env_var('JAFFLE_BREAK', '') %}where no_such_column{% endif %}
