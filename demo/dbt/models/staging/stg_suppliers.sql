select
    supplier_id,
    name as supplier_name,
    country,
    minimum_order
from {{ source('files', 'suppliers') }}
