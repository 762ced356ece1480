select
    product_id,
    sku,
    name as product_name,
    category,
    supplier_id,
    price
from {{ source('replication', 'data_products') }}
