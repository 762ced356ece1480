{% set payment_methods = ['credit_card', 'bank_transfer', 'coupon', 'gift_card'] %}

with payments as (

    select
        order_id,
        {% for method in payment_methods -%}
        coalesce(sum(amount) filter (payment_method = '{{ method }}'), 0) as {{ method }}_amount,
        {% endfor -%}
        sum(amount) as paid_amount
    from {{ ref('stg_payments') }}
    group by order_id

)

select
    orders.order_id,
    orders.customer_id,
    orders.status,
    products.product_name,
    products.category,
    suppliers.supplier_name,
    orders.quantity,
    orders.amount,
    {% for method in payment_methods -%}
    payments.{{ method }}_amount,
    {% endfor -%}
    payments.paid_amount,
    orders.ordered_at,
    orders.shipped_at
from {{ ref('stg_orders') }} as orders
inner join {{ ref('stg_products') }} as products on orders.product_id = products.product_id
left join {{ ref('stg_suppliers') }} as suppliers on products.supplier_id = suppliers.supplier_id
left join payments on orders.order_id = payments.order_id
