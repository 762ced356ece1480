select ordered_on, count(*) as orders from {{ ref('orders') }} group by ordered_on
